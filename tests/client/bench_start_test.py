"""`hone bench start`: a server of its own is started and measured. Never how fast it is."""

import json

import pytest
from conftest import MODEL
from hone_server import run_hone


@pytest.mark.parametrize("kind", ["folder", "random pack"])
def test_rows_and_units(kind, tmp_path):
    model, name = MODEL, f"{MODEL.name}/bf16"
    if kind == "random pack":
        model, name = tmp_path / "tiny.hone", "tiny/int4"
        assert run_hone("pack", "--shape", "tiny-moe", "--random", model, "--weights", "int4").returncode == 0
    done = run_hone("bench", "start", model, "--repeats", 2, "--json", "--threads", 1)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told) == {"machine", "limits", "rows"}
    for row in told["rows"]:
        assert set(row) == {"name", "value", "unit", "limit", "fraction", "spread", "void"}
    rows = {row["name"].removeprefix(f"start/{name}/"): row for row in told["rows"]}
    times = {f"{state}{part}" for state in ("warm", "cold") for part in ("", "/listening", "/first_token")}
    assert set(rows) == times | {"private_memory", "private_memory/kv_pages"}
    assert all(rows[row]["unit"] == "s" and 0 < rows[row]["value"] < 60 for row in times)
    assert rows["warm"]["value"] >= rows["warm/listening"]["value"]
    assert all(rows[row]["spread"] is None and not rows[row]["void"] for row in ("private_memory", "private_memory/kv_pages"))
    assert 1 < rows["private_memory"]["value"] < 300 and rows["private_memory"]["unit"] == "MiB"
    assert 0 < rows["private_memory/kv_pages"]["value"] < rows["private_memory"]["value"]


def test_a_table_for_people():
    done = run_hone("bench", "start", MODEL, "--repeats", 1, "--threads", 1)
    assert done.returncode == 0 and f"start/{MODEL.name}/bf16/cold" in done.stdout


def test_a_server_that_does_not_start_is_an_error(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in MODEL.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "tokenizer.json").write_text("{")
    done = run_hone("bench", "start", folder, "--repeats", 1)
    assert done.returncode == 1 and "tokenizer.json" in done.stderr and "before it listened" in done.stderr


@pytest.mark.parametrize("arguments, named", [([], "MODEL"), (["/no/such"], "/no/such"),
                                              ([MODEL, "--repeats", 0], "--repeats"),
                                              ([MODEL, "--weights", "int3"], "--weights")])
def test_a_mistake_is_named(arguments, named):
    done = run_hone("bench", "start", *arguments)
    assert done.returncode in (1, 2) and named in done.stderr + done.stdout
