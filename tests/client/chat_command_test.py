"""`hone chat`: a conversation in the terminal and through a pipe."""

import json

import pytest
from conftest import MODEL
from hone_server import run_hone
from terminal import Terminal

FLAGS = [MODEL, "--threads", 1, "--kv-memory", "8M"]


@pytest.fixture
def terminal():
    with Terminal("chat", *FLAGS, "--max-tokens", 24, "--system", "Be brief.") as opened:
        opened.expect("/help lists the commands")
        opened.expect("> ")
        yield opened


def test_an_exchange(terminal):
    terminal.type("Hello there")
    answer = terminal.expect("> ")
    assert "Hello there" in answer and "tokens/s" in answer
    terminal.type("/history")
    history = terminal.expect("> ")
    assert "system: Be brief." in history and "user: Hello there" in history and "assistant: " in history


def test_help_lists_the_commands(terminal):
    terminal.type("/help")
    text = terminal.expect("> ")
    commands = ["/help", "/new", "/history", "/system", "/temperature", "/retry", "/quit"]
    assert all(command in text for command in commands)
    terminal.type("/nonsense")
    assert "Unknown command" in terminal.expect("> ")


def test_a_conversation_is_forgotten(terminal):
    terminal.type("Remember me")
    terminal.expect("> ")
    terminal.type("/new")
    terminal.expect("> ")
    terminal.type("/history")
    history = terminal.expect("> ")
    assert "Remember me" not in history and "system: Be brief." in history
    terminal.type("/retry")
    assert "nothing to answer" in terminal.expect("> ")


def test_settings_are_checked(terminal):
    for bad in ("/temperature hot", "/temperature", "/temperature -1"):
        terminal.type(bad)
        assert "hone:" in terminal.expect("> ")
    terminal.type("/temperature 0")
    assert "hone:" not in terminal.expect("> ")


def test_leaving(terminal):
    terminal.type("/quit")
    assert terminal.wait() == 0


def test_the_end_of_input_leaves(terminal):
    terminal.end_input()
    assert terminal.wait() == 0


@pytest.fixture
def endless_model(tmp_path):
    """The model without an end-of-sequence token: it answers until the context is full."""
    for file in MODEL.iterdir():
        if not file.name.startswith("expected"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    for name, field in (("config.json", "eos_token_id"), ("tokenizer_config.json", "eos_token")):
        content = json.loads((tmp_path / name).read_text())
        content.pop(field)
        (tmp_path / name).write_text(json.dumps(content))
    return tmp_path


def test_an_interrupt_ends_the_answer_and_not_the_program(endless_model):
    # The plain kernels take ten seconds for the context.
    with Terminal("chat", endless_model, "--threads", 1, "--kv-memory", "8M", "--isa", "reference") as terminal:
        terminal.expect("> ")
        terminal.interrupt()  # of nothing
        terminal.type("/help")
        terminal.expect("/quit")
        terminal.expect("> ")
        terminal.type("Tell me everything")
        terminal.expect("Tell me everything")
        terminal.expect_some(100)
        terminal.interrupt()
        answer = terminal.expect(" tokens, ", 60)
        assert 0 < int(answer.rsplit(maxsplit=1)[-1].removeprefix("\x1b[2m")) < 4000
        terminal.expect("> ")
        terminal.type("/quit")
        assert terminal.wait() == 0


def test_a_pipe_is_read_to_its_end():
    done = run_hone("chat", *FLAGS, "--temperature", 0, "--max-tokens", 12, stdin="Hello\n/retry\n/history\n")
    assert done.returncode == 0 and done.stdout.count("tokens/s") == 2
    assert "user: Hello" in done.stdout and "\x1b" not in done.stdout, "no colours in a pipe"


def test_the_same_question_greedily_has_the_same_answer():
    flags = [*FLAGS, "--temperature", 0, "--max-tokens", 20]
    history = [run_hone("chat", *flags, stdin="Hello\n/history\n").stdout.split("user: Hello")[1] for _ in range(2)]
    assert history[0] == history[1]


def test_a_conversation_longer_than_the_context_is_said():
    done = run_hone("chat", *FLAGS, "--max-context", 64, stdin="x" * 100 + "\n/help\n")
    assert done.returncode == 0 and "context of 64 tokens" in done.stdout and "/retry" in done.stdout


def test_a_message_that_was_not_answered_is_forgotten():
    lines = ["Hello", "x" * 200, "/history", "Again", "/history"]
    done = run_hone("chat", *FLAGS, "--max-context", 128, "--max-tokens", 4, stdin="\n".join(lines) + "\n")
    assert done.returncode == 0
    assert done.stdout.count("context of 128 tokens") == 1 and done.stdout.count("tokens/s") == 2
    assert "user: x" not in done.stdout
    assert done.stdout.count("user: Hello") == 2 and done.stdout.count("user: Again") == 1


def test_damage_ends_the_conversation(tmp_path):
    path = tmp_path / "model.hone"
    assert run_hone("pack", MODEL, path).returncode == 0
    data = bytearray(path.read_bytes())
    directory_bytes, data_begin = (int.from_bytes(data[at:at + 8], "little") for at in (16, 24))
    head = json.loads(data[64:64 + directory_bytes])["tensors"][-1]
    data[data_begin + head["offset"] + head["bytes"] // 2] ^= 1
    path.write_bytes(data)
    with Terminal("chat", path, "--threads", 1, "--kv-memory", "8M", "--max-tokens", 2) as terminal:
        terminal.expect(head["name"])
        terminal.type("Hello")
        terminal.expect("may be wrong")
        assert terminal.wait() == 1
