"""`hone bench serve` and the scenarios beside it: what they count and report against servers of ours, and against one
that fails in every way. Never how fast anything is."""

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import MODEL
from hone_server import BINARY, ENVIRONMENT, TESTS, HoneServer, run_hone

SMALL = ["--shape", "tiny-moe", "--threads", 1]
SERVER_FLAGS = ["--server-flags", "--kv-memory 16M"]


def measure(*arguments):
    done = run_hone("bench", "serve", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("verb", ["serve", "interference", "soak", "agents"])
def test_every_verb_explains_itself(verb):
    done = run_hone("bench", verb, "--help")
    assert done.returncode == 0 and "--server-flags" in done.stdout and len(done.stdout.splitlines()) > 20


def test_a_server_of_its_own(tmp_path):
    saved = tmp_path / "run.json"
    told = measure(*SMALL, *SERVER_FLAGS, "--rate", 50, "--requests", 12, "--prompt", "20-30", "--output", 5,
                   "--ttft-target", 60000, "--gap-target", 60000, "--save", saved)
    assert told["server"]["own"] and told["server"]["model"] == "tiny-moe"
    assert told["load"]["rate"] == 50 and told["load"]["prompt"] == "20-30"
    assert told["energy"]["joules"] is None or told["energy"]["joules"] >= 0
    summary = told["summary"]
    assert summary["successful"] == 12 and summary["failed"] == 0 and summary["output_tokens"] == 60
    assert summary["goodput"] == 1 and summary["targets_ms"] == {"ttft": 60000, "gap": 60000}
    for times in ("ttft_ms", "gap_ms", "tpot_ms", "e2e_ms"):
        assert 0 <= summary[times]["p50"] <= summary[times]["p90"] <= summary[times]["p99"] <= summary[times]["max"]

    kept = json.loads(saved.read_text())
    requests = kept.pop("requests")
    assert kept == told and len(requests) == 12
    assert sum(request["prompt_tokens"] for request in requests) == summary["input_tokens"]
    for request in requests:
        assert set(request) == {"arrival", "sent", "status", "error", "prompt_tokens", "cached_tokens", "output_tokens",
                                "ttft_ms", "gaps_ms", "e2e_ms"}
        assert request["status"] == 200 and request["error"] == "" and request["sent"] >= request["arrival"]
        assert 20 <= request["prompt_tokens"] <= 30 and request["output_tokens"] == 5
        assert len(request["gaps_ms"]) == 4 and request["ttft_ms"] + sum(request["gaps_ms"]) <= request["e2e_ms"]
    arrivals = [request["arrival"] for request in requests]
    assert arrivals == sorted(arrivals) and arrivals[0] == 0


def test_a_running_server_is_asked_the_same_twice(server):
    url = f"http://{server.host}:{server.port}"
    arguments = ["--url", url, "--vocabulary", 250, "--rate", "inf", "--max-concurrency", 3, "--requests", 8,
                 "--prompt", 10, "--output", 3, "--prefixes", 2, "--prefix-tokens", 130, "--seed", 77]
    before = server.metric("hone_requests_submitted_total")
    first, second = measure(*arguments), measure(*arguments)
    assert server.metric("hone_requests_submitted_total") == before + 2 * (8 + 1), "one of each run warms up"
    assert first["void"] is None and not first["server"]["own"]
    assert first["summary"]["input_tokens"] == second["summary"]["input_tokens"] == 8 * 140
    assert second["summary"]["cached_tokens"] >= 8 * 128 > first["summary"]["cached_tokens"] > 0


def test_a_chat_is_asked_with_text(server):
    told = measure("--url", f"http://{server.host}:{server.port}/v1", "--chat", "--requests", 3, "--rate", "inf",
                   "--prompt", 20, "--output", 4)
    assert told["summary"]["successful"] == 3 and told["summary"]["output_tokens"] == 12
    assert told["summary"]["input_tokens"] > 3 * 20


def test_a_table_for_people():
    done = run_hone("bench", "serve", *SMALL, *SERVER_FLAGS, "--seconds", 0.5, "--rate", 20, "--prompt", 8, "--output", 2,
                    "--quiet")
    assert done.returncode == 0 and "time to first token" in done.stdout and "energy:" in done.stdout


class Faulty(BaseHTTPRequestHandler):
    """Fails in another way with every completion but the fifth and those behind it."""

    protocol_version = "HTTP/1.1"
    completions = 0
    lock = threading.Lock()

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.answer(200, {"object": "list", "data": [{"id": "faulty"}]})

    def chunk(self, data):
        text = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.lock:
            number = Faulty.completions
            Faulty.completions += 1
        if number == 0:
            return self.answer(429, {"error": {"message": "come back later"}})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        token = json.dumps({"choices": [{"text": "x", "finish_reason": None}]})
        self.chunk(token)
        self.chunk(token)
        if number == 1:  # hangs up in the middle
            self.close_connection = True
            return None
        if number == 2:
            self.chunk(json.dumps({"error": {"message": "out of pages"}}))
        elif number > 3:
            self.chunk("[DONE]")
        self.wfile.write(b"0\r\n\r\n")
        return None


@pytest.fixture
def faulty():
    Faulty.completions = 0
    running = ThreadingHTTPServer(("127.0.0.1", 0), Faulty)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()


def test_failures_are_counted_and_told(faulty, tmp_path):
    saved = tmp_path / "run.json"
    told = measure("--url", faulty, "--warmup", 0, "--requests", 6, "--rate", "inf", "--max-concurrency", 1, "--output", 2,
                   "--prompt", 3, "--ttft-target", 60000, "--save", saved)
    summary = told["summary"]
    assert summary["successful"] == 2 and summary["failed"] == 4 and summary["output_tokens"] == 4
    assert summary["goodput"] == pytest.approx(2 / 6)
    failures = {failure["status"]: failure for failure in summary["failures"]}
    assert failures[429]["count"] == 1 and failures[429]["message"] == "come back later"
    assert failures[0]["count"] == 3 and "hung up" in failures[0]["message"]
    errors = [request["error"] for request in json.loads(saved.read_text())["requests"]]
    assert "out of pages" in errors[2] and "[DONE]" in errors[3] and errors[4] == errors[5] == ""


def test_nothing_but_failures_is_a_failure(faulty):
    done = run_hone("bench", "serve", "--url", faulty, "--warmup", 0, "--requests", 2, "--rate", "inf",
                    "--max-concurrency", 1, "--output", 2, "--prompt", 3)
    assert done.returncode == 1 and "1 times status 429: come back later" in done.stdout
    assert "no request succeeded" in done.stderr


def test_interference_has_a_row_for_every_policy():
    done = run_hone("bench", "interference", *SMALL, *SERVER_FLAGS, "--policies", "chunked-64,layered", "--long", 600,
                    "--quiet-seconds", 0.1, "--stream-tokens", 4000, "--attempts", 1, "--json", timeout=120)
    told = json.loads(done.stdout)
    missed = [bar["policy"] for bar in told["bars"] if bar["holds"] is False]  # as may be, of so small a model
    assert done.returncode == (1 if missed else 0) and ("missed: " in done.stderr) == bool(missed), done.stderr
    assert set(told["limits"]) == {"int8_gops", "bf16_gflops", "fp32_gflops", "dram_gbps"}
    assert [row["policy"] for row in told["rows"]] == ["chunked-64", "layered"]
    for row in told["rows"]:
        assert {"policy", "undisturbed_gap_p50_ms", "gap_p50_ms", "gap_p99_ms", "gap_max_ms", "ttft_s", "idle_ttft_s",
                "streams_tok_s", "decode_work_s", "void"} <= set(row)
        assert row["gap_p50_ms"] <= row["gap_p99_ms"] <= row["gap_max_ms"]
        assert row["ttft_s"] > 0 and row["idle_ttft_s"] > 0 and row["gap_max_ms"] > 0


def test_a_soak_leaves_nothing_behind():
    done = run_hone("bench", "soak", *SMALL, "--streams", 8, "--seconds", 3, "--json", "--server-flags", "--kv-memory 2M",
                    timeout=120)
    told = json.loads(done.stdout)
    assert told["failed"] == 0 and told["joined"] == told["finished"] + told["left"] and told["finished"] > 0
    assert told["after"]["pages_in_use"] == told["after"]["running"] == 0 and len(told["samples"]) > 5
    assert (done.returncode == 0) == (not told["faults"])  # too short to say whether memory grows


@pytest.fixture(scope="module")
def cache_unit():
    """Tokens in whose multiples prefixes are found: pages, or single tokens."""
    with HoneServer(MODEL, "--threads", 1, "--kv-memory", "4M") as server:
        def cached(tokens):
            answer = server.post("/v1/completions", {"prompt": tokens, "max_tokens": 1})
            return answer["usage"]["prompt_tokens_details"]["cached_tokens"]

        cached(list(range(3, 103)))
        return 1 if cached(list(range(3, 203))) == 100 else 64


def test_an_agents_turns_are_found_and_answered_as_if_cold(cache_unit):
    flags = [*SMALL, *SERVER_FLAGS, "--turns", 6, "--first", 100, "--turn-tokens", 90, "--answer", 40, "--checked", 3]
    done = run_hone("bench", "agents", *flags, "--cache-unit", cache_unit, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["miscounted"] == 0 and told["differing"] == [] and told["checked"] == 3
    assert [turn["prompt_tokens"] for turn in told["turns"]] == [100 + 90 * turn for turn in range(6)]
    assert told["turns"][0]["cached_tokens"] == 0 < told["turns"][1]["cached_tokens"]
    done = run_hone("bench", "agents", *flags, "--cache-unit", 7)
    assert done.returncode == 1 and "cached tokens were reported" in done.stderr


MISTAKES = [
    (["serve"], "--url"), (["serve", "--url", "https://127.0.0.1:1"], "https"), (["serve", "--url", "nonsense"], "http://"),
    (["serve", "--url", "http://127.0.0.1:1"], "cannot connect"), (["serve", *SMALL, "--prompt", "0"], "--prompt"),
    (["serve", *SMALL, "--output", "lognormal:5"], "--output"), (["serve", *SMALL, "--rate", "0"], "--rate"),
    (["serve", *SMALL, "--rate", "inf", "--seconds", "1"], "--max-concurrency"),
    (["serve", *SMALL, "--prefixes", "2"], "--prefix-tokens"), (["serve", *SMALL, "--body", "[1]"], "--body"),
    (["serve", *SMALL, "--save", "/no/such/file"], "--save"), (["serve", *SMALL, "--prompt", "70000"], "65536"),
    (["serve", "/no/such"], "/no/such"), (["interference"], "--shape"),
    (["interference", *SMALL, "--policies", "fast"], "fast"),
    (["interference", *SMALL, "--policies", "auto-as-layered,layered"], "before it"), (["soak"], "--shape"),
    (["agents", *SMALL, "--turns", "330"], "65536"), (["agents", *SMALL, "--answer", "300"], "--answer"),
    *((([verb, MODEL, *SMALL]), "excludes") for verb in ("serve", "interference", "soak", "agents")),
]


@pytest.mark.parametrize("arguments, named", MISTAKES, ids=[" ".join(map(str, m[0])).replace(str(MODEL), "MODEL")
                                                            for m in MISTAKES])
def test_a_mistake_is_named(arguments, named):
    done = run_hone("bench", *arguments)
    assert done.returncode in (1, 2) and named in done.stderr + done.stdout


@pytest.mark.parametrize("script", ["interference", "soak"])
def test_a_script_takes_a_model(script):
    done = subprocess.run([TESTS.parent / f"bench/{script}.sh", "/no/such/model", "--seed", "3"], capture_output=True,
                          text=True, timeout=60, env=ENVIRONMENT | {"HONE": BINARY})
    assert done.returncode == 1 and "/no/such/model" in done.stderr
