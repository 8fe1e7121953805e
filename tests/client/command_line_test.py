"""The command line: help, mistakes in flags and paths, and `hone inspect`."""

import json
import os
import resource
import shutil
import subprocess
import sys

import pytest
from conftest import MODEL
from hone_server import BINARY, ENVIRONMENT, MODELS, HoneServer, run_hone, wait_until

VERBS = ["serve", "chat", "score", "eval", "pack", "export", "inspect", "bench", "train", "simulate", "help"]


def test_help_lists_every_verb():
    done = run_hone("--help")
    assert done.returncode == 0 and all(verb in done.stdout for verb in VERBS)
    assert run_hone().returncode != 0


def test_no_verb_is_missing_here():
    listed = run_hone("--help").stdout.split("Subcommands:\n")[1].split("\n\n")[0]
    assert [line.split()[0] for line in listed.splitlines() if line[2] != " "] == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb):
    done = run_hone(verb, "--help")
    assert done.returncode == 0 and "Usage" in done.stdout and "--" in done.stdout


def test_version():
    done = run_hone("--version")
    assert done.returncode == 0 and done.stdout.strip()


MISTAKES = [
    (["serve", "/no/such"], "/no/such"), (["serve", MODEL, "--weights", "nonsense"], "--weights"),
    (["serve", MODEL, "--nonsense"], "--nonsense"), (["serve", MODEL, "--port", "70000"], "0 to 65535"),
    (["serve", MODEL, "--port", "x"], "--port"), (["serve", MODEL, "--threads", "-1"], "--threads"),
    (["serve", MODEL, "--kv-memory", "lots"], "--kv-memory"), (["serve", MODEL, "--kv-memory", "1K"], "--kv-memory"),
    (["serve", MODEL, "--kv-spill", "/proc/no/such"], "--kv-spill"),
    (["serve", MODEL, "--kv-spill", "x", "--kv-spill-size", "much"], "--kv-spill-size"),
    (["serve", MODEL, "--kv-spill", "x", "--no-prefix-cache"], "--no-prefix-cache"),
    (["serve", MODEL, "--prefill", "sideways"], "--prefill"), (["serve", MODEL, "--isa", "mmx"], "--isa"),
    (["serve", MODEL, "--class", "f64"], "--class"), (["serve", MODEL, "--max-streams", "0"], "--max-streams"),
    (["serve", MODEL, "--max-body", "-5"], "--max-body"), (["serve", MODEL, "--drain", "-1"], "--drain"),
    (["serve", MODEL, "--drain", "nan"], "--drain"), (["serve", MODEL, "--drain", "inf"], "--drain"),
    (["serve", MODEL, "--header-timeout", "nan"], "--header-timeout"),
    (["serve", MODEL, "--header-timeout", "0"], "--header-timeout"), (["serve", MODEL, "--max-body", "nan"], "--max-body"),
    (["serve", MODEL, "--host", "no.such.host.invalid"], "no.such.host.invalid"),
    (["serve", MODEL / "config.json"], "config.json"), (["chat", "/no/such"], "/no/such"),
    (["chat", MODEL, "--temperature", "hot"], "--temperature"), (["chat", MODEL, "--max-tokens", "0"], "--max-tokens"),
    (["chat", "/no/such", "--temperature", "-1"], "temperature"),
    (["chat", "/no/such", "--temperature", "nan"], "temperature"), (["chat", "/no/such", "--top-p", "nan"], "--top-p"),
    (["inspect", "/no/such"], "/no/such"),
    (["inspect", MODEL, "--weights", "nonsense"], "--weights"), (["bench", "--shape", "nonsense"], "nonsense"),
    (["pack", "/no/such", "/no/such/out"], "/no/such"), (["pack", MODEL], "OUT"), (["pack"], "OUT"),
    (["pack", "--shape", "nonsense", "--random", "/no/such/out"], "nonsense"),
    (["pack", "--shape", "tiny-moe", "/no/such/out"], "--random"), (["pack", "--random", "/no/such/out"], "--shape"),
    (["pack", "--shape", "tiny-moe", "--random"], "OUT"),
    (["pack", "--shape", "tiny-moe", "--random", MODEL, "/no/such/out"], "not both"),
    (["serve", MODEL, "--shape", "tiny-moe"], "excludes"), (["serve", MODEL, "--verify", "sometimes"], "--verify"),
    (["score", MODEL], "--input"), (["dance"], "dance"),
    (["serve", MODEL, "--key-streams", "2"], "--key-streams is a limit of each API key"),
    (["serve", MODEL, "--key-waiting", "2"], "--key-waiting is a limit of each API key"),
    (["serve", MODEL, "--max-strems", "5"], "not expected: --max-strems 5; did you mean --max-streams?"),
    (["serve", MODEL, "--max-strems=5"], "did you mean --max-streams?"), (["sevre", MODEL], "did you mean serve?"),
    (["bench", "kernels", "--quik"], "did you mean --quick?"), ([], "subcommand"), (["serve", MODEL, "--api-key", ""], "--api-key"), (["serve", MODEL, "--name"], "--name"),
]


@pytest.mark.parametrize("arguments, named", MISTAKES, ids=[" ".join(map(str, m[0])).replace(str(MODEL), "MODEL")
                                                            for m in MISTAKES])
def test_a_mistake_is_named(arguments, named):
    if arguments[:1] == ["serve"] and "--port" not in arguments:
        arguments = ["serve", "--port", 0, *arguments[1:]]  # the usual port may be in use
    done = run_hone(*arguments)
    assert done.returncode in (1, 2)
    assert named in done.stderr + done.stdout and "listening" not in done.stdout


def test_flags_that_may_be_repeated_leave_the_model_alone():
    flags = ["--api-key", "a", "--api-key", "b", "--cors-origin", "http://x"]
    with HoneServer(*flags, MODEL, "--kv-memory", "1M") as server:
        assert [server.request("GET", "/v1/models", headers={"X-Api-Key": key})[0] for key in "abc"] == [200, 200, 401]


def tries_at_the_start(server):
    """The commands that a server's first words have for a shell, and all those words."""
    wait_until(lambda: "Ctrl-C" in server.output, what="the end of the server's first words")
    parts = server.output.split("\n\n")
    return [part.split("\n    (")[0] for part in parts if part.startswith(("  curl ", "  python3 "))], server.output


@pytest.mark.parametrize("flags", [[], ["--api-key", "secret", "--name", "it's \"x\""]], ids=["open", "with a key"])
def test_the_tries_at_the_start_work_as_they_are_pasted(flags, tmp_path):
    launcher = tmp_path / "python3"  # the one that has openai
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    launcher.chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "KEY": "secret"}
    with HoneServer(MODEL, "--kv-memory", "1M", *flags) as server:
        tries, words = tries_at_the_start(server)
        assert len(tries) == 2 and "secret" not in words and f"http://127.0.0.1:{server.port}/ " in words
        for command in tries:
            if command.startswith("  curl") and not shutil.which("curl"):
                continue
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=env, timeout=60)
            assert done.returncode == 0 and done.stdout.strip() and '"error"' not in done.stdout, command + done.stderr


def test_a_try_without_a_tokenizer_has_token_ids():
    with HoneServer("--shape", "tiny-moe", "--kv-memory", "1M", "--no-page") as server:
        tries, words = tries_at_the_start(server)
        assert '"prompt": [1, 2, 3]' in tries[0] and "prompt=[1, 2, 3]" in tries[1] and f":{server.port}/ " not in words


def test_a_port_in_use_is_told_before_the_model_is_loaded(server):
    done = run_hone("serve", "/no/such/model", "--port", server.port)
    assert done.returncode == 1 and f":{server.port}: " in done.stderr and "/no/such" not in done.stderr


def test_an_ipv6_address_is_printed_as_a_url():
    with HoneServer(MODEL, "--host", "::1", "--kv-memory", "1M") as server:
        assert f"http://[::1]:{server.port}\n" in server.output
        assert server.request("GET", "/health")[0] == 200


def test_the_model_may_have_a_name_of_its_own():
    with HoneServer(MODEL, "--name", "house/model one", "--kv-memory", "1M") as server, server.client() as client:
        assert [entry.id for entry in client.models.list()] == ["house/model one"]
        assert client.models.retrieve("house/model one").id == "house/model one"
        assert client.completions.create(model="house/model one", prompt="x", max_tokens=1).model == "house/model one"


def test_a_taken_port_is_said(server):
    done = run_hone("serve", MODEL, "--port", server.port, "--threads", 1, "--kv-memory", "1M")
    assert done.returncode == 1 and str(server.port) in done.stderr


def broken_copy(folder, name, change):
    """The model with one file changed."""
    for file in MODEL.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    return folder


BROKEN = [("config.json", lambda _: b"{"), ("config.json", lambda old: old.replace(b"qwen3_moe", b"no_such_model")),
          ("tokenizer.json", lambda old: old[:100]),
          ("tokenizer_config.json", lambda _: b'{"chat_template": "{% if %}"}'),
          ("model-00001-of-00002.safetensors", lambda old: old[:1000]),
          ("model-00002-of-00002.safetensors", lambda old: b"\xff" * 8 + old[8:]),
          ("model.safetensors.index.json", lambda _: b"[]")]


@pytest.mark.parametrize("name, change", BROKEN, ids=[f"{number} {name}" for number, (name, _) in enumerate(BROKEN)])
def test_a_broken_file_is_named(tmp_path, name, change):
    done = run_hone("serve", broken_copy(tmp_path, name, change), "--port", 0, "--kv-memory", "1M")
    assert done.returncode == 1 and name in done.stderr


@pytest.mark.parametrize("name", ["qwen3", "qwen3_moe", "olmoe"])
def test_inspect_a_folder(name):
    text = run_hone("inspect", MODELS / name)
    assert text.returncode == 0 and name in text.stdout and "KV cache" in text.stdout
    told = json.loads(run_hone("inspect", MODELS / name, "--json").stdout)
    config = json.loads((MODELS / name / "config.json").read_text())
    assert str(config["vocab_size"]) in json.dumps(told) and str(config["num_hidden_layers"]) in json.dumps(told)


def test_inspect_a_pack_file(tmp_path):
    packed = tmp_path / "model.pack"
    assert run_hone("pack", MODEL, packed, "--weights", "int4").returncode == 0
    text = run_hone("inspect", packed)
    assert text.returncode == 0 and "int4" in text.stdout and "qwen3_moe" in text.stdout
    assert json.loads(run_hone("inspect", packed, "--json").stdout)


def test_inspect_kernels():
    text = run_hone("inspect", "kernels")
    assert text.returncode == 0 and text.stdout.count("(in use)") == 1 and "reference" in text.stdout
    told = json.loads(run_hone("inspect", "kernels", "--json").stdout)
    assert [table["in_use"] for table in told["tables"]].count(True) == 1
    assert all(kernel["name"] for table in told["tables"] for kernel in table["kernels"])
    chosen = json.loads(run_hone("inspect", "kernels", "--isa", "reference", "--json").stdout)
    assert [table["isa"] for table in chosen["tables"] if table["in_use"]] == ["reference"]


def test_what_nobody_expects_is_told(tmp_path):
    recipe = tmp_path / "recipe.toml"
    name = "x" * 300 + ".jsonl"  # longer than a file may be called: looking for it fails
    recipe.write_text(f'kind = "sft"\nmodel = "{MODEL}"\noutput = "out"\n[data]\nfiles = ["{name}"]\n')
    done = run_hone("train", recipe)
    assert done.returncode == 1 and name in done.stderr and "name too long" in done.stderr.lower()
    assert "terminate" not in done.stderr
    with (tmp_path / "input.jsonl").open("wb") as file:
        file.truncate(600 << 20)  # there is room to map it, and none for a copy
    command = [BINARY, "score", MODEL, "--input", tmp_path / "input.jsonl", "--output", tmp_path / "out.safetensors"]
    done = subprocess.run([*map(str, command), "--threads", "1"], capture_output=True, text=True, env=ENVIRONMENT,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)))
    assert done.returncode == 1 and "not enough memory" in done.stderr, done.stderr
