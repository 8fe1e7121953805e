"""The model that comes with the program: where it is looked for, and what works without naming one."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import MODEL
from hone_server import BINARY, HoneServer, run_hone

FLAGS = ["--threads", 1, "--kv-memory", "8M"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A packed model with a suite beside it."""
    path = tmp_path_factory.mktemp("shipped")
    assert run_hone("pack", MODEL, path / "some.hone").returncode == 0
    (path / "evals").mkdir()
    for name in ("first", "second"):
        case = {"prompt": "Hello", "max_tokens": 2, "check": {"regex": "."}}
        (path / "evals" / f"{name}.jsonl").write_text(json.dumps(case) + "\n")
    return path


@pytest.fixture
def env(folder):
    return {"HONE_SPROUT": str(folder / "some.hone")}


def test_a_server_without_a_model_serves_it(env):
    with HoneServer(*FLAGS, env=env) as server:
        assert [model.id for model in server.client().models.list().data] == ["sprout"]


def test_a_chat_without_a_model_is_with_it(env):
    done = run_hone("chat", *FLAGS, "--max-tokens", 2, stdin="Hello\n", env=env)
    assert done.returncode == 0 and "Chatting with sprout" in done.stdout


def test_its_name_is_taken_where_a_model_is(env, folder, tmp_path):
    inspected = run_hone("inspect", "sprout", "--json", env=env)
    assert json.loads(inspected.stdout) == json.loads(run_hone("inspect", folder / "some.hone", "--json").stdout)
    given = tmp_path / "given.jsonl"
    given.write_text('{"ids": [1, 2]}\n')
    assert run_hone("score", "sprout", "--input", given, "--output", tmp_path / "out", env=env).returncode == 0


def test_its_suites_need_no_name(env):
    def names(*suites):
        done = run_hone("eval", "sprout", *suites, *FLAGS, "--json", env=env)
        assert done.returncode == 0, done.stderr
        return [suite["name"] for suite in json.loads(done.stdout)["suites"]]
    assert names() == ["first", "second"] and names("second") == ["second"]


def test_it_is_found_where_the_program_is_installed(folder, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "share/hone").mkdir(parents=True)
    shutil.copy(BINARY, tmp_path / "bin/hone")
    def run(*arguments):
        clean = {name: value for name, value in os.environ.items() if name != "HONE_SPROUT"}
        return subprocess.run([tmp_path / "bin/hone", *arguments], capture_output=True, text=True, timeout=60, env=clean)
    done = run("inspect", "sprout")
    assert done.returncode == 2 and "built-in model is missing" in done.stderr
    assert str(tmp_path / "share/hone") in done.stderr and "HONE_SPROUT" in done.stderr
    done = run("serve")
    assert done.returncode == 1 and "no MODEL is given" in done.stderr
    shutil.copy(folder / "some.hone", tmp_path / "share/hone/sprout.hone")
    done = run("inspect", "sprout", "--json")
    assert done.returncode == 0 and str(Path("share/hone/sprout.hone")) in json.loads(done.stdout)["path"]


def test_a_variable_that_names_nothing_is_an_error():
    done = run_hone("chat", env={"HONE_SPROUT": "/nowhere/x.hone"})
    assert done.returncode == 1 and "/nowhere/x.hone" in done.stderr and "HONE_SPROUT" in done.stderr
