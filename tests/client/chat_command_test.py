"""`hone chat`: a conversation in the terminal and through a pipe."""

import json
import math
import signal
import subprocess
import time

import pytest
from conftest import MODEL
from hone_server import BINARY, ENVIRONMENT, MODELS, run_hone
from speaking_model import break_piece, make_speaking_model
from terminal import Terminal

FLAGS = [MODEL, "--threads", 1, "--kv-memory", "8M", "--seed", 3]  # of which no answer ends with its first token


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
    commands = ["/help", "/new", "/history", "/system", "/set", "/retry", "/tokens", "/model", "/save", "/quit"]
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


def test_the_system_message_is_shown_and_changed(terminal):
    terminal.type("/system")
    assert "Be brief." in terminal.expect("> ")
    terminal.type("/system Be long.")
    assert "Be long." in terminal.expect("> ")
    terminal.type("/system none")
    assert "no system message" in terminal.expect("> ")
    terminal.type("/history")
    assert "system:" not in terminal.expect("> ")


def test_a_message_may_begin_with_a_slash(terminal):
    terminal.type("/usr/bin is full")
    assert '"""' in terminal.expect("> ")
    terminal.type('"""/usr/bin is full"""')
    terminal.expect("tokens/s")
    terminal.expect("> ")
    terminal.press("\x1b[200~/* first\rsecond */\x1b[201~\n")
    terminal.expect("tokens/s")
    terminal.expect("> ")
    terminal.type("/history")
    history = terminal.expect("> ")
    assert "user: /usr/bin is full" in history and "user: /* first\r\nsecond */" in history


def test_settings_are_checked(terminal):
    for bad in ("temperature hot", "temperature -1", "top_p 2", "max_tokens 0", "seed x", "colour blue", "thinking maybe"):
        terminal.type(f"/set {bad}")
        answer = terminal.expect("> ")
        assert "hone:" in answer and bad.split()[0] in answer.split("hone:")[1]
    terminal.type("/set temperature 0")
    assert "temperature 0," in terminal.expect("> ")
    terminal.type("/set max_tokens 3")
    assert '"max_tokens":3' in terminal.expect("> ")
    terminal.type("Hello")
    assert "3 tokens" in terminal.expect("> ")
    terminal.type("/set max_tokens")
    assert '"max_tokens"' not in terminal.expect("> "), "it is taken back"


def test_a_seed_says_it_again():
    lines = "/set seed 7\n/set temperature 1\nHello\n/new\nHello\n/set seed 8\n/retry\n"
    done = run_hone("chat", *FLAGS, "--max-tokens", 12, stdin=lines)
    assert done.returncode == 0
    first, second, third = (text for text in done.stdout.split("> ") if " tokens, " in text)
    assert first.split(" tokens, ")[0] == second.split(" tokens, ")[0] != third.split(" tokens, ")[0]


def test_several_lines_are_one_message():
    lines = ['first\\', 'second', '/history', '/new', '"""', 'a block', '', 'of lines', '"""', '/history', '"""in one"""', '/history']
    done = run_hone("chat", *FLAGS, "--max-tokens", 2, stdin="\n".join(lines) + "\n")
    assert done.returncode == 0 and done.stdout.count("tokens/s") == 3
    assert "user: first\nsecond\n" in done.stdout
    assert "user: a block\n\nof lines\n" in done.stdout and "user: in one\n" in done.stdout


def test_pasted_lines_stay_together(terminal):
    terminal.press("\x1b[200~pasted\rtext\x1b[201~ and more\n")
    terminal.expect("tokens/s")
    terminal.expect("> ")
    terminal.type("/history")
    assert "user: pasted\r\ntext and more\r\n" in terminal.expect("> ")


def test_the_history_is_kept(tmp_path):
    for turn in range(2):
        with Terminal("chat", *FLAGS, "--max-tokens", 2, state=tmp_path) as terminal:
            terminal.expect("> ")
            if turn == 0:
                terminal.type("Größe und Gewicht")
                terminal.expect("tokens/s")
                terminal.expect("> ")
                terminal.press('"""\nof two\nlines\n"""\n')
                terminal.expect("tokens/s")
            else:
                terminal.press("\x1b[A\x1b[A\n")  # up twice
                terminal.expect("tokens/s")
                terminal.expect("> ")
                terminal.press("\x1b[A\x1b[A\n")  # what was said last does not count twice
                terminal.expect("tokens/s")
                terminal.expect("> ")
                terminal.type("/history")
                history = terminal.expect("> ")
                assert "user: Größe und Gewicht" in history and "user: of two\r\nlines" in history
    kept = tmp_path / "hone/chat_history"
    assert kept.stat().st_mode & 0o777 == 0o600 and kept.parent.stat().st_mode & 0o777 == 0o700


def test_a_history_that_is_too_long_is_replaced_by_its_end(tmp_path):
    kept = tmp_path / "hone/chat_history"
    kept.parent.mkdir()
    lines = [f"line-{i:04}-" + "x" * 500 for i in range(3000)]
    kept.write_text("\n".join(["_HiStOrY_V2_", *lines]) + "\n")
    kept.chmod(0o644)
    before = kept.stat().st_ino
    with open(kept, "rb") as old:  # its number is nobody else's meanwhile
        with Terminal("chat", *FLAGS, state=tmp_path) as terminal:
            terminal.expect("> ")
            terminal.type("/quit")
            assert terminal.wait() == 0
        assert kept.stat().st_ino != before, "whole or not at all: it is another file"
        assert old.read().count(b"line-") == 3000
    assert kept.read_text().splitlines()[:1001] == ["_HiStOrY_V2_", *lines[-1000:]]
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in kept.parent.iterdir()] == ["chat_history"]


def test_an_interrupt_discards_the_line(terminal):
    terminal.press("Not this")
    terminal.expect("Not this")
    terminal.press("\x03")
    terminal.expect("^C")
    terminal.expect("> ")
    terminal.type("/history")
    assert "Not this" not in terminal.expect("> ")


def test_tokens_are_shown_with_their_probabilities(terminal):
    terminal.type("/tokens")
    assert "no answer yet" in terminal.expect("> ")
    terminal.type("/set temperature 0")
    terminal.expect("> ")
    terminal.type("Hello")
    terminal.expect(" tokens, ")
    terminal.expect("> ")
    terminal.type("/tokens")
    view = terminal.expect("> ")
    assert "\x1b[3" in view and " or " in view and "50 %" in view


def test_tokens_in_a_pipe_have_no_colours():
    done = run_hone("chat", *FLAGS, "--max-tokens", 3, "--temperature", 0, stdin="Hello\n/tokens\n")
    rows = [line.removeprefix("> ").split() for line in done.stdout.split("tokens/s")[1].splitlines() if " % " in line]
    assert [int(row[0]) for row in rows] == [1, 2, 3] and "\x1b" not in done.stdout
    for row in rows:
        assert abs(math.exp(float(row[1])) * 100 - float(row[2])) < 0.2


def test_a_conversation_is_saved_as_training_data(tmp_path):
    saved = tmp_path / "said.jsonl"
    done = run_hone("chat", *FLAGS, "--max-tokens", 3, "--system", "Be brief.", stdin=f"Hello\n/save {saved}\n/save\n")
    messages = json.loads(saved.read_text())["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]
    assert messages[1]["content"] == "Hello" and "FILE is missing" in done.stdout
    done = run_hone("chat", *FLAGS, "--max-tokens", 3, stdin="/save /nowhere/said.jsonl\n/help\n")
    assert "/nowhere" in done.stdout and "/quit" in done.stdout


def test_another_model_goes_on(tmp_path):
    other = MODELS / "olmoe"
    lines = ["Hello", "/model", f"/model {other}", "/history", "And you?", "/model /nowhere/x", "/model", "Still there?"]
    done = run_hone("chat", *FLAGS, "--max-tokens", 2, stdin="\n".join(lines) + "\n")
    assert done.returncode == 0 and done.stdout.count("tokens/s") == 3
    assert "qwen3_moe (" in done.stdout and done.stdout.count("olmoe (") == 2
    assert "user: Hello" in done.stdout and "/nowhere/x" in done.stdout


def test_tokens_of_another_model_are_forgotten():
    lines = ["Hello", f"/model {MODELS / 'olmoe'}", "/tokens"]
    done = run_hone("chat", *FLAGS, "--max-tokens", 2, stdin="\n".join(lines) + "\n")
    assert done.returncode == 0 and "no answer yet" in done.stdout.split("olmoe (")[1]


def test_an_answer_that_fails_leaves_the_terminal_as_it_was(tmp_path):
    template = "{% for m in messages %}{{ m.content }}\n{% endfor %}{# <think> <tool_call> #}"
    make_speaking_model(tmp_path, ["<think>Well", " then</think>"], template)
    break_piece(tmp_path, 0)
    with Terminal("chat", tmp_path, "--threads", 1, "--kv-memory", "8M", "--temperature", 0) as terminal:
        terminal.expect("> ")
        terminal.type("Is it?")
        assert terminal.expect("hone: ").endswith("\x1b[2mWell\x1b[0m\r\n")
        terminal.expect("> ")


def test_no_answer_steers_the_terminal(tmp_path):
    template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
    make_speaking_model(tmp_path, ["Look\x1b]0;owned\x07 here\u009b2J", "END"], template)
    flags = ["chat", tmp_path, "--threads", 1, "--kv-memory", "8M", "--temperature", 0]
    with Terminal(*flags) as terminal:
        terminal.expect("> ")
        terminal.type("/set stop END")
        terminal.expect("> ")
        for line in ("Is it?", "/history"):
            terminal.type(line)
            assert terminal.expect("here<9B>2J").endswith("Look<1B>]0;owned<07> ")
            terminal.expect("> ")
    assert "Look\x1b]0;owned\x07 here" in run_hone(*flags, stdin="/set stop END\nIs it?\n").stdout, "a pipe gets what was said"


def test_reasoning_is_dim_and_kept_apart(tmp_path):
    template = "{% for m in messages %}{{ m.content }}\n{% endfor %}{# <think> <tool_call> #}"
    make_speaking_model(tmp_path, ["<think>Well", " then</think>\n\n", "Yes.", "END"], template)
    with Terminal("chat", tmp_path, "--threads", 1, "--kv-memory", "8M", "--temperature", 0) as terminal:
        terminal.expect("> ")
        terminal.type("/set stop END")
        terminal.expect("> ")
        terminal.type("Is it?")
        answer = terminal.expect("tokens/s")
        assert "\x1b[2mWell then\x1b[0m" in answer and "Yes." in answer.split("\x1b[0m")[1]
        assert "think" not in answer and "END" not in answer
        terminal.expect("> ")
        terminal.type("/history")
        assert "assistant: Yes." in terminal.expect("> ")


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


def test_how_an_answer_ended_is_told(terminal):
    terminal.type("/set max_tokens 3")
    terminal.expect("> ")
    terminal.type("Hello")
    assert "3 tokens" in terminal.expect("cut at max_tokens")


def test_an_answer_that_is_stopped_before_it_began_is_forgotten(endless_model):
    with Terminal("chat", endless_model, "--threads", 1, "--kv-memory", "64M", "--isa", "reference") as terminal:
        terminal.expect("> ")
        for line in ['"""', *["word " * 100] * 40]:  # takes seconds to read
            terminal.type(line)
            terminal.expect("\x1b[?2004h.")
        terminal.type('"""')
        time.sleep(0.2)
        terminal.interrupt()
        assert "0 tokens" in terminal.expect("stopped", 60)
        terminal.expect("> ")
        terminal.type("/history")
        history = terminal.expect("> ")
        assert "user:" not in history and "assistant:" not in history


def test_a_signal_leaves_the_terminal_as_it_was(terminal):
    terminal.press("half a li")
    terminal.expect("half a li")
    assert terminal.edits()
    terminal.process.send_signal(signal.SIGTERM)
    terminal.expect("\x1b[?2004l")
    assert terminal.process.wait(30) == -signal.SIGTERM
    assert not terminal.edits()


def test_a_conversation_that_was_stopped_goes_on():
    with Terminal("chat", *FLAGS, through=["bash", "-mc", '"$@"; read -p "in the shell"; fg', "bash"]) as terminal:
        terminal.expect("> ")
        terminal.press("/hel")
        terminal.expect("/hel")
        terminal.press("\x1a")
        terminal.expect("in the shell")
        assert not terminal.edits()
        terminal.type("")
        terminal.expect("> /hel")  # drawn anew
        assert terminal.edits()
        terminal.type("p")
        terminal.expect("/quit")


def test_without_a_terminal_an_interrupt_ends_the_program():
    with subprocess.Popen([BINARY, "chat", *map(str, FLAGS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=ENVIRONMENT) as process:
        process.stdout.read(len("Chatting with"))
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == -signal.SIGINT


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
