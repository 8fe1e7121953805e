"""`hone simulate`: its table, JSON and chart, traces, and mistakes in flags and files."""

import json
import re

import pytest
from hone_server import TESTS, run_hone

COSTS = TESTS.parent / "models/costs/zen5-2c-olmoe-1b-7b-int4.toml"
SMALL = ["--workload", "lengths", "--requests", 12, "--rate", 2, "--prompt", "50-900", "--output", "2-20"]
LATENCIES = {"mean", "p50", "p90", "p99", "max"}


def simulate(*flags):
    done = run_hone("simulate", COSTS, *flags, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_json_has_a_row_for_every_policy():
    told = simulate(*SMALL, "--prefill", "layered,chunked-128,auto", "--target-ttft", 3, "--target-gap", 250)
    assert set(told) == {"costs", "title", "workload", "targets_ms", "rows"}
    assert told["costs"] == str(COSTS) and told["title"] and "12 requests" in told["workload"]
    assert told["targets_ms"] == {"ttft": 3000, "gap": 250}
    assert [row["policy"] for row in told["rows"]] == ["layered", "chunked-128", "auto"]
    for row in told["rows"]:
        assert set(row) == {"policy", "finished", "refused", "ttft_ms", "gap_ms", "e2e_ms", "goodput", "seconds", "busy",
                            "prompt_tokens_per_s", "output_tokens_per_s", "cached_share", "prompt_expert_bytes",
                            "decode_expert_bytes", "steps", "preemptions", "stops", "cost_error", "steps_per_minute"}
        assert row["finished"] == 12 and row["refused"] == 0 and row["steps"] > 20 and row["output_tokens_per_s"] > 0
        for name in ("ttft_ms", "gap_ms", "e2e_ms"):
            assert set(row[name]) == LATENCIES and 0 < row[name]["p50"] <= row[name]["p99"] <= row[name]["max"]
        assert row["ttft_ms"]["p50"] > row["gap_ms"]["p50"] and 0 <= row["goodput"] <= 1
    # The more rows are read at once, the longer streams stand still.
    assert told["rows"][0]["gap_ms"]["max"] != told["rows"][1]["gap_ms"]["max"]


def test_a_seed_is_one_run_and_flags_change_it():
    def row(*flags):
        (told,) = simulate(*SMALL, "--prefill", "auto", *flags)["rows"]
        del told["steps_per_minute"]  # of the wall clock
        return told

    assert row("--seed", 7) == row("--seed", 7) != row("--seed", 8)
    shared = ["--shared-prefix", 640]
    assert row(*shared)["cached_share"] > 0.2 and row(*shared, "--no-prefix-cache")["cached_share"] == 0
    assert row("--kv-pages", 1)["refused"] > 0
    assert row("--target-gap", 0)["goodput"] == 0 and row("--target-gap", 1e9, "--target-ttft", 1e6)["goodput"] == 1


def test_the_table_has_a_column_for_every_policy():
    done = run_hone("simulate", COSTS, *SMALL, "--prefill", "chunked,layered")
    assert done.returncode == 0 and re.search(r"^ +chunked +layered$", done.stdout, re.M)
    assert re.search(r"^requests finished +12 +12$", done.stdout, re.M) and "12 requests" in done.stdout


def test_a_trace_is_replayed(tmp_path):
    trace = tmp_path / "trace.jsonl"
    trace.write_text("\n".join(json.dumps(line) for line in [
        {"arrival": 0, "prompt_tokens": 640, "output_tokens": 4, "prefix_id": 1, "prefix_tokens": 512},
        {"arrival": 100, "prompt_tokens": 640, "output_tokens": 4, "prefix_id": 1, "prefix_tokens": 512},
        {"arrival": 200, "prompt_tokens": 1 << 20, "output_tokens": 1},
        {"arrival": 5, "prompt_tokens": 10, "output_tokens": 1, "after": 3},
        {"arrival": 5, "prompt_tokens": 10, "output_tokens": 1, "after": 2}]))
    told = simulate("--trace", trace, "--prefill", "chunked")
    (row,) = told["rows"]
    assert str(trace) in told["workload"] and row["finished"] == 3 and row["refused"] == 2
    assert row["cached_share"] == pytest.approx(512 / 1290) and row["goodput"] == pytest.approx(3 / 5)


@pytest.mark.parametrize("output, empty", [("2-20", 0), ("1", 1)])
def test_a_chart_is_a_page_that_is_whole(tmp_path, output, empty):
    page = tmp_path / "page.html"
    done = run_hone("simulate", COSTS, *SMALL[:-1], output, "--prefill", "layered", "--chart", page)
    assert done.returncode == 0 and "requests finished" in done.stdout
    html = page.read_text()
    assert html.startswith("<!doctype html>") and html.endswith("</html>\n") and "<script" not in html
    assert html.count("<svg") == html.count("</svg>") == 4 and "tokens, layers 0 to" in html
    assert html.count("none in these runs") == empty and "nan" not in html and "inf" not in html
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


MISTAKES = [
    ([], "COSTS"), (["/no/such.toml"], "/no/such.toml"), ([COSTS, "--prefill", "fast"], "fast"),
    ([COSTS, "--prefill", "chunked-0"], "chunked-0"), ([COSTS, "--token-gap", "soon"], "--token-gap"),
    ([COSTS, "--workload", "many"], "--workload"), ([COSTS, "--workload", "agents", "--trace", "x"], "--trace"),
    ([COSTS, "--trace", "/no/such.jsonl"], "/no/such.jsonl"), ([COSTS, "--rate", 0], "--rate"),
    ([COSTS, "--requests", 0], "--requests"), ([COSTS, "--prompt", "long"], "--prompt"),
    ([COSTS, "--output", "0"], "--output"), ([COSTS, "--target-gap", "nan"], "--target-gap"),
    ([COSTS, *SMALL, "--chart", "/no/such/page.html"], "--chart"),
    ([COSTS, "--workload", "agents", "--prompt", 1 << 24, "--shared-prefix", 1], "--shared-prefix"),
]


@pytest.mark.parametrize("arguments, named", MISTAKES, ids=[" ".join(map(str, m[0])).replace(str(COSTS), "COSTS")
                                                            for m in MISTAKES])
def test_a_mistake_is_named(arguments, named):
    done = run_hone("simulate", *arguments)
    assert done.returncode in (1, 2) and named in done.stderr


def test_a_mistake_in_a_file_has_its_line(tmp_path):
    trace, costs = tmp_path / "trace.jsonl", tmp_path / "costs.toml"
    trace.write_text('{"arrival": 0, "prompt_tokens": 1, "output_tokens": 1}\n{"arrival": 0}\n')
    done = run_hone("simulate", COSTS, "--trace", trace)
    assert done.returncode == 1 and f"{trace}:2: field 'prompt_tokens'" in done.stderr
    costs.write_text(COSTS.read_text().replace("max_context", "most_context"))
    done = run_hone("simulate", costs)
    assert done.returncode == 1 and f"{costs}:" in done.stderr and "max_context is missing" in done.stderr
