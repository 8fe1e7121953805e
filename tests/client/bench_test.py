"""`hone bench`: what its sub-verbs print, and that mistakes are named. Never how fast anything is."""

import json
import re

import pytest
from conftest import MODEL
from hone_server import run_hone

TINY = ["--shape", "tiny-moe", "--prompt", 70, "--chunk", 32, "--steps", 2, "--repeats", 1, "--streams", 3, "--depth", "0,70"]
KERNELS = ["kernels", "--shape", "tiny-moe", "--quick", "--filter", "gemm_f32_f32", "--repeats", 1]
PHASES = ["attention", "experts", "dense", "head", "router", "quantise", "sampling", "other"]


def report_of(*arguments):
    done = run_hone("bench", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told) == {"machine", "limits", "rows"}
    assert set(told["limits"]) == {"int8_gops", "bf16_gflops", "fp32_gflops", "dram_gbps"}
    assert all(rate > 0 for rate in told["limits"].values())
    for row in told["rows"]:
        assert set(row) == {"name", "value", "unit", "limit", "fraction", "spread", "void"}
        assert (row["limit"] is None) == (row["fraction"] is None) and row["value"] >= 0
        assert row["spread"] is None or not row["name"].startswith("memory/")
    return {row["name"]: row for row in told["rows"]}


@pytest.mark.parametrize("verb", ["limits", "kernels", "prefill", "decode", "batch", "train"])
def test_every_sub_verb_explains_itself(verb):
    done = run_hone("bench", verb, "--help")
    assert done.returncode == 0 and "Rows:" in done.stdout and "--compare" in done.stdout


def test_training_steps_and_their_parts():
    rows = report_of("train", "--filter", "moe-100m", "--documents", 2, "--tokens", 16, "--repeats", 1)
    name = "train/full/moe-100m/bf16"
    assert rows[name]["unit"] == "tokens/s" and rows[name]["fraction"] > 0
    parts = {row: rows[row]["value"] for row in rows if row.startswith(f"{name}/")}
    assert {f"{name}/forward-experts", f"{name}/again-attention", f"{name}/back-head", f"{name}/step"} <= set(parts)
    # Medians, each of its own, where others use the machine.
    assert 0.5 < sum(parts.values()) / (1000 * 32 / rows[name]["value"]) < 2
    assert 0.5 < rows[f"memory/{name}"]["value"] < 4
    done = run_hone("bench", "train", "--filter", "nothing")
    assert done.returncode == 1 and "train/lora16/olmoe-1b-7b/int4" in done.stderr


def test_constrained_output_and_its_part_of_a_step():
    flags = ["grammar", "--vocabulary", 1000, "--repeats", 1, "--quiet"]
    table = run_hone("bench", *flags).stdout
    assert "grammar/ebnf/known-state" in table and "of-step" not in table
    assert "limits of this run" not in table and "of it" not in table
    rows = report_of(*flags, "--shape", "tiny-moe")
    for name in ("object", "schema", "regex", "ebnf", "choice"):
        added = rows[f"grammar/{name}/known-state"]["value"] + max(
            0, rows["grammar/draw/masked"]["value"] - rows["grammar/draw/free"]["value"])
        assert rows[f"grammar/{name}/of-step"]["value"] == pytest.approx(
            100 * 32 * added / rows["grammar/step"]["value"])


def test_limits_by_threads():
    rows = report_of("limits", "--threads", 2, "--repeats", 1)
    assert set(rows) == {f"limits/{kind}/threads{threads}" for kind in ("int8", "bf16", "fp32", "dram") for threads in (1, 2)}


def test_all_workloads_of_a_model():
    rows = report_of(*TINY)
    names = ["prefill/tiny-moe/bf16/70", "decode/tiny-moe/bf16/depth0", "decode/tiny-moe/bf16/depth70",
             "batch/tiny-moe/bf16/streams3", "batch/tiny-moe/bf16/streams3-depth70"]
    assert {name.rsplit("/", 1)[0] for name in rows if name.endswith("/experts")} == set(names)
    for name in names:
        assert rows[name]["unit"] == "tokens/s" and rows[name]["fraction"] > 0
        assert all(rows[f"{name}/{phase}"]["unit"] == "ms" for phase in PHASES)
        assert rows[f"{name}/attention"]["limit"] > 0 and rows[f"{name}/other"]["limit"] is None
    assert {"memory/tiny-moe/bf16/peak", "memory/tiny-moe/bf16/private", "memory/tiny-moe/bf16/file"} <= set(rows)


@pytest.mark.parametrize("numeric_class", ["i8p32", "f32seq"])
def test_prefill_of_a_checkpoint(numeric_class):
    rows = report_of("prefill", MODEL, "--weights", "int4", "--class", numeric_class, "--prompt", "20,33", "--repeats", 1)
    assert {name for name in rows if name.startswith("prefill/") and name.count("/") == 3} == {
        f"prefill/{MODEL.name}/int4-{numeric_class}/{prompt}" for prompt in (20, 33)}


def test_the_table_has_the_phases_below_their_row():
    done = run_hone("bench", "decode", "--shape", "tiny-dense", "--steps", 2, "--repeats", 1, "--quiet")
    assert done.returncode == 0 and done.stderr == ""
    assert "\ndecode/tiny-dense/bf16/depth0 " in done.stdout and "\n    attention " in done.stdout
    assert "experts" not in done.stdout


def test_kernels_against_records(tmp_path):
    rows = report_of(*KERNELS)
    assert len(rows) == 4 and all(name.startswith("kernel/gemm_f32_f32__") and name.endswith("/64x8") for name in rows)
    recorded = tmp_path / "expected.json"

    def judged(records):
        """The run against these records, and how many of its rows were judged, not void."""
        recorded.write_text(json.dumps({"rows": records}))
        done = run_hone("bench", *KERNELS, "--expect", recorded, "--compare", recorded)
        return done, int(re.search(r"^(\d+) of 4 rows judged", done.stderr, re.MULTILINE)[1])

    easy = [row | {"fraction": 1e-6} for row in rows.values()]
    done, count = judged(easy)
    assert done.stdout.count("kernel/gemm_f32_f32__") == 8  # in the table and in the comparison
    # A machine that others keep busy proves nothing: a run without a row that could be judged says so, and passes.
    assert done.returncode == 0 and (f"{4 - count} recorded rows not judged" in done.stderr) == (count < 4)
    done, count = judged([row | {"fraction": 1e6} for row in rows.values()])
    assert done.returncode == (1 if count else 0) and done.stderr.count("recorded 100000000.0 %") == count
    done, count = judged([row | {"fraction": None} for row in rows.values()])
    assert done.returncode == 1 and count == 0 and "no row was judged" in done.stderr
    gone = easy[0]["name"].replace("gemm_f32_f32__", "gemm_gone__")
    done, _ = judged([*easy, easy[0] | {"name": gone}])
    assert gone not in done.stderr  # --filter leaves it out
    done, _ = judged([*easy, easy[0] | {"name": easy[0]["name"] + "x9"}])
    assert done.returncode == 1 and f"not measured:\n  {easy[0]['name']}x9" in done.stderr

    recorded.write_text(json.dumps({"rows": easy[:1]}))
    done = run_hone("bench", *KERNELS, "--compare", recorded)
    assert done.returncode == 0 and done.stdout.count("only in this run: kernel/gemm_f32_f32__") == 3


MISTAKES = [
    ([], "--shape"), (["--shape", "nonsense"], "nonsense"), (["prefill", "--shape", "tiny-moe", "--prompt", "0"], "--prompt"),
    (["decode", "--shape", "tiny-moe", "--depth", "-1"], "--depth"), (["prefill", "/no/such"], "/no/such"),
    (["kernels", "--shape", "nonsense"], "--shape"), (["kernels", "--filter", "no such row"], "no such row"),
    (["kernels", "--expect", "/no/such.json"], "/no/such.json"), (["limits", "--compare", "/no/such.json"], "/no/such.json"),
    (["limits", "--isa", "mmx"], "--isa"), (["dance"], "dance"),
]


@pytest.mark.parametrize("arguments, named", MISTAKES, ids=[" ".join(map(str, m[0])) or "nothing" for m in MISTAKES])
def test_a_mistake_is_named(arguments, named):
    done = run_hone("bench", *arguments)
    assert done.returncode in (1, 2) and named in done.stderr + done.stdout
