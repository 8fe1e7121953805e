"""/v1/hone/events and /v1/hone/model: what the page shows of the engine and of the model."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import MODEL
from hone_server import MODELS, HoneServer, run_hone, wait_until
from train_beside_test import recipe_in

MOST_VIEWERS = 16
STEP = {"t_ms", "ms", "sequences", "training_ms"}
PART = {"id", "kind", "tokens", "first", "layers", "emits"}
NUMBERS = {"streams", "waiting", "pages_used", "prefix_hit_tokens", "tokens_per_second", "prompt_tokens_per_second"}


class Viewer:
    """A connection that looks on. Reads only from wake() on, unless `reads`."""

    def __init__(self, server, reads=True, key=None):
        self.socket = socket.socket()
        self.socket.settimeout(10)
        if not reads:
            # The kernel takes little for who does not read: the sender's buffer grows with the segments that the receiver allows.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.connect((server.host, server.port))
        lock = f"Authorization: Bearer {key}\r\n" if key else ""
        self.socket.sendall(f"GET /v1/hone/events HTTP/1.0\r\nHost: x\r\n{lock}\r\n".encode())
        self.events, self.ended, self.head = [], False, None
        if reads:
            self.wake()

    def wake(self):
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        with self.socket.makefile(newline="\n") as lines:
            head = []
            for line in lines:
                if line == "\r\n":
                    break
                head.append(line.strip())
            self.head = head
            name = None
            for line in lines:
                if line.startswith("event: "):
                    name = line[7:].strip()
                elif line.startswith("data: "):
                    self.events.append((name, json.loads(line[6:])))
        self.ended = True

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    @property
    def status(self):
        wait_until(lambda: self.head, what="an answer")
        return int(self.head[0].split()[1])

    def told(self):
        return [data for name, data in list(self.events) if name == "steps"]

    def counts(self):
        """How many steps it was told, and how many of them were left out."""
        told = self.told()
        return sum(len(event["steps"]) + event["dropped"] for event in told), sum(event["dropped"] for event in told)

    def steps(self):
        return [step for event in self.told() for step in event["steps"]]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def complete(server, prompt, tokens, **fields):
    return server.post("/v1/completions", {"prompt": prompt, "max_tokens": tokens, "ignore_eos": True, **fields})


def is_idle_again(viewer):
    return viewer.told() and viewer.told()[-1]["streams"] == 0 and viewer.steps()


def test_the_events_say_what_was_computed(server, model):
    layers = json.loads((MODEL / "config.json").read_text())["num_hidden_layers"]
    with Viewer(server) as viewer:
        wait_until(lambda: viewer.events, what="a greeting")
        name, hello = viewer.events[0]
        assert name == "hello" and viewer.status == 200
        assert any(line.startswith("Content-Type: text/event-stream") for line in viewer.head)
        assert hello["model"] == model and hello["layers"] == layers and hello["page_tokens"] == 64
        assert hello["threads"] == 1 and hello["policy"] == "auto" and hello["version"]
        assert hello["pages"] == server.metric("hone_kv_pages_total") and "gap_target_ms" in hello

        usage = complete(server, "Look on. " * 60, 30, cache_salt="seen")["usage"]
        wait_until(lambda: is_idle_again(viewer), what="the end of the stream")
        events, steps = viewer.told(), viewer.steps()
        assert not sum(event["dropped"] for event in events)
    for event in events:
        assert event.keys() >= NUMBERS | {"now_ms", "steps", "dropped", "gap_p50_ms", "gap_p99_ms"}
        assert all(isinstance(event[number], (int, float)) for number in NUMBERS)

    parts = [part for step in steps for part in step["sequences"]]
    assert all(step.keys() == STEP and step["ms"] > 0 and step["training_ms"] == 0 for step in steps)
    assert all(part.keys() == PART and part["kind"] in ("decode", "prefill") for part in parts)
    assert len({part["id"] for part in parts}) == 1
    begins = [step["t_ms"] for step in steps]
    assert begins == sorted(begins) and begins[-1] <= events[-1]["now_ms"]
    # Every token but the last crosses every layer once.
    crossed = sum(part["tokens"] * (part["layers"][1] - part["layers"][0]) for part in parts)
    assert crossed == (usage["prompt_tokens"] + usage["completion_tokens"] - 1) * layers
    assert sum(part["emits"] for part in parts) == usage["completion_tokens"] == 30
    assert sum(part["tokens"] for part in parts if part["kind"] == "decode") == 29


def test_the_numbers_move(server):
    with Viewer(server) as viewer:
        complete(server, "Numbers", 4000)
        wait_until(lambda: is_idle_again(viewer), what="the end of the stream")
        wait_until(lambda: viewer.told()[-1]["tokens_per_second"] == 0, what="rates that fall")
        events = viewer.told()
    assert any(event["streams"] == 1 and event["pages_used"] > 0 for event in events)
    assert any(event["tokens_per_second"] > 0 for event in events)
    assert any(event["gap_p99_ms"] and event["gap_p99_ms"] >= event["gap_p50_ms"] > 0 for event in events)
    assert sum(len(event["steps"]) + event["dropped"] for event in events) == pytest.approx(4000, abs=3)
    assert all(len(event["steps"]) <= 64 for event in events)
    apart = [later["now_ms"] - event["now_ms"] for event, later in zip(events, events[1:])]
    assert min(apart) > 50, "ten times a second at most, but for the first two"


def test_a_prompt_beside_a_stream_is_seen_layer_by_layer():
    # The plain kernels are slow enough that a prompt takes many steps, however fast the machine is.
    flags = ["--threads", 1, "--isa", "reference", "--kv-memory", "64M"]
    with HoneServer(MODEL, *flags) as server, Viewer(server) as viewer:
        stream = threading.Thread(target=complete, args=(server, "A stream", 1000))
        stream.start()
        wait_until(lambda: viewer.steps(), what="steps")
        complete(server, "x" * 2000, 1)
        mixed = [step for step in viewer.steps() if len({part["kind"] for part in step["sequences"]}) == 2]
        stream.join()
        hello = viewer.events[0][1]
    assert mixed, "a step with both"
    for step in mixed:
        decode, prompt = sorted(step["sequences"], key=lambda part: part["kind"])
        assert decode["tokens"] == 1 and decode["emits"] and decode["layers"] == [0, hello["layers"]]
        assert prompt["first"] + prompt["tokens"] <= 2001 and prompt["id"] != decode["id"]


def test_sixteen_may_look_on(server):
    viewers = [Viewer(server) for _ in range(MOST_VIEWERS)]
    try:
        assert all(viewer.status == 200 for viewer in viewers)
        status, headers, body = server.request("GET", "/v1/hone/events")
        assert status == 429 and json.loads(body)["error"]["code"] == "too_many_viewers" and headers["Retry-After"]
        viewers.pop().close()
        wait_until(lambda: server.request("HEAD", "/v1/hone/events")[0] == 200)
        def comes_in():
            viewers.append(Viewer(server))
            return viewers[-1].status == 200 or viewers.pop().close()
        wait_until(comes_in, what="a place for another")
    finally:
        for viewer in viewers:
            viewer.close()


def test_who_does_not_read_holds_up_nobody(server):
    def work():
        """Many sequences make long events. The seconds that it took."""
        began = time.monotonic()
        with ThreadPoolExecutor(16) as others:
            list(others.map(lambda i: complete(server, f"beside {i}", 2000), range(16)))
        return time.monotonic() - began

    complete(server, "warm", 200)
    with Viewer(server) as viewer:
        wait_until(lambda: viewer.events, what="a greeting")
        alone = work()
        sleepers = [Viewer(server, reads=False) for _ in range(4)]
        try:
            assert all(sleeper.socket.recv(1) == b"H" for sleeper in sleepers)
            steps_before, dropped_before = viewer.counts()
            watched = work()
            assert watched < 3 * alone + 2, "generous: a server that waited for a reader would never end"
            wait_until(lambda: is_idle_again(viewer), what="the end of the streams")
            for sleeper in sleepers:
                sleeper.wake()
            for sleeper in sleepers:
                wait_until(lambda: sleeper.counts()[0] >= viewer.counts()[0] - steps_before, what="all steps, told or counted")
                # Of a fast model some steps are left out for everybody.
                assert sleeper.counts()[1] > viewer.counts()[1] - dropped_before, "the kernel took everything"
        finally:
            for sleeper in sleepers:
                sleeper.close()


def test_keys_are_asked_for():
    with HoneServer(MODEL, "--threads", 1, "--kv-memory", "4M", "--api-key", "secret") as server:
        for path in ("/v1/hone/events", "/v1/hone/model"):
            assert server.request("GET", path)[0] == 401
            assert server.request("POST", path, {}, {"Authorization": "Bearer secret"})[0] == 405
        with Viewer(server, key="secret") as viewer:
            assert viewer.status == 200
        assert server.request("GET", "/v1/hone/model", headers={"Authorization": "Bearer secret"})[0] == 200


def test_viewers_do_not_hold_up_the_end():
    server = HoneServer(MODEL, "--threads", 1, "--kv-memory", "4M")
    with Viewer(server) as viewer:
        wait_until(lambda: viewer.events, what="a greeting")
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 10
        wait_until(lambda: viewer.ended, what="the end of the stream")


def test_turns_of_training_are_seen(tmp_path):
    recipe = recipe_in(tmp_path, "out", steps=400)
    server = HoneServer(MODEL, "--threads", 2, "--kv-memory", "64M", "--max-context", 4096, "--train", recipe)
    try:
        with Viewer(server) as viewer:
            wait_until(lambda: any(step["training_ms"] > 0 and not step["sequences"] for step in viewer.steps()),
                       what="a turn while nothing else runs")
    finally:
        server.signal()
        server.wait()


@pytest.mark.parametrize("name", ["qwen3", "qwen3_moe", "olmoe"])
def test_the_model_is_what_inspect_says(name):
    told = json.loads(run_hone("inspect", MODELS / name, "--json").stdout)
    with HoneServer(MODELS / name, "--threads", 1, "--kv-memory", "4M") as server:
        status, headers, body = server.request("GET", "/v1/hone/model")
    served = json.loads(body)
    assert status == 200 and headers["Content-Type"] == "application/json"
    for field in ("path", "kind", "architecture", "parameters", "active_parameters", "memory", "totals", "layers",
                  "tensors", "unused"):
        assert served[field] == told[field], field
    layers = [row["layer"] for row in served["layers"]]
    assert layers == [None, *range(told["architecture"]["layers"])]
    assert sum(part["tensors"] for row in served["layers"] for part in row["parts"]) == len(told["tensors"])
    assert served["name"] == name and served["adapters"] == [] and served["version"]
    assert served["tokenizer"]["vocabulary"] > 0 and served["tokenizer"]["eos"]["text"]
    assert served["engine"]["policy"] == "auto" and served["engine"]["token_gap"] == {"factor": 2}
    assert served["engine"]["pages"] * served["engine"]["page_bytes"] <= 4 << 20


def test_a_shape_is_described_too():
    with HoneServer("--shape", "tiny-moe", "--threads", 1, "--kv-memory", "4M") as server:
        served = json.loads(server.request("GET", "/v1/hone/model")[2])
    assert served["kind"] == "shape" and served["path"] == "tiny-moe" and served["tensors"]
    assert served["tokenizer"]["reads_text"] is False
