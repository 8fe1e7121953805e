"""SIGTERM: what runs is finished, nothing new begins, the exit code is 0; a second signal ends at once."""

import json
import math
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from answers import choices_of
from conftest import MODEL
from hone_server import BINARY, ENVIRONMENT, MODELS, HoneServer, wait_until

TOKENS = 200  # a second or so for several streams


@pytest.fixture
def start():
    """Servers that this test ends itself."""
    started = []

    def start_one(*flags):
        # The plain kernels are slow enough that signals come amid streams, however fast the machine is.
        started.append(HoneServer(MODEL, "--threads", 1, "--isa", "reference", "--kv-memory", "64M", *flags))
        return started[-1]

    yield start_one
    for server in started:
        if server.process.poll() is None:
            server.kill()


def stream(server, seed, max_tokens=TOKENS):
    client = server.client()
    return client.completions.create(model=MODEL.name, prompt="To the end", seed=seed, max_tokens=max_tokens,
                                     stream=True, stream_options={"include_usage": True},
                                     extra_body={"ignore_eos": True, "return_token_ids": True})


def refuses_connections(server):
    try:
        socket.create_connection((server.host, server.port), 5).close()
    except (ConnectionRefusedError, ConnectionResetError):  # reset: it came as the door closed
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_running_requests_are_finished(start, number):
    server = start("--max-streams", 3)  # two of five wait for their turn
    streams = [stream(server, seed) for seed in range(5)]
    first = next(streams[0])
    whole = ThreadPoolExecutor(1).submit(server.post, "/v1/completions",
                                         {"prompt": "x", "max_tokens": TOKENS, "ignore_eos": True})
    wait_until(lambda: server.metric("hone_requests_submitted_total") == 6, what="six requests")
    server.signal(number)
    wait_until(lambda: refuses_connections(server), what="refused connections")
    assert server.process.poll() is None, "it waits for what runs"

    def read_to_the_end(chunks):
        usage = None
        ids = []
        for chunk in chunks:
            ids += [token for part in chunk.choices for token in part.token_ids]
            usage = chunk.usage or usage
        return len(ids), usage.completion_tokens

    with ThreadPoolExecutor(5) as readers:
        counts = list(readers.map(read_to_the_end, streams))
    missing = len(first.choices[0].token_ids)
    assert counts == [(TOKENS - missing, TOKENS)] + [(TOKENS, TOKENS)] * 4
    assert whole.result(30)["usage"]["completion_tokens"] == TOKENS
    assert server.wait() == 0
    assert "stopping" in server.output


def test_connections_that_are_kept_open_get_no_new_work(start):
    server = start()
    with server.client() as client:
        client.completions.create(model=MODEL.name, prompt="x", max_tokens=1)  # leaves its connection open
        running = stream(server, 1)
        next(running)
        server.signal()
        wait_until(lambda: refuses_connections(server), what="refused connections")
        with pytest.raises((openai.InternalServerError, openai.APIConnectionError)) as refused:
            client.completions.create(model=MODEL.name, prompt="x", max_tokens=1)
        if isinstance(refused.value, openai.InternalServerError):
            assert refused.value.status_code == 503 and "shutting down" in refused.value.message
    assert choices_of(running)[0].finish_reason == "length"
    assert server.wait() == 0


def test_the_time_for_it_is_limited(start):
    server = start("--drain", 0.2)
    running = stream(server, 1, 30_000)
    next(running)
    server.signal()
    began = time.monotonic()
    with pytest.raises(openai.APIError) as cut:
        for _ in running:
            pass
    assert "shutting down" in cut.value.message
    assert server.wait(10) == 0 and time.monotonic() - began < 5


def test_a_second_signal_ends_at_once(start):
    server = start()
    running = stream(server, 1, 30_000)
    next(running)
    server.signal()
    wait_until(lambda: "another signal ends at once" in server.output, what="the first signal's message")
    began = time.monotonic()
    server.signal()
    assert server.wait(10) == -signal.SIGTERM and time.monotonic() - began < 2
    with pytest.raises(openai.APIError):
        for _ in running:
            pass


def test_an_idle_server_stops_at_once(start):
    server = start()
    with server.client() as client:
        client.models.list()  # leaves its connection open
        began = time.monotonic()
        server.signal()
        assert server.wait(10) == 0 and time.monotonic() - began < 2


def test_clients_that_never_finish_do_not_hold_it_up(start):
    server = start()
    with socket.create_connection((server.host, server.port), 20) as silent:
        silent.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\n")
        time.sleep(0.1)
        server.signal()
        assert server.wait(10) == 0


def make_slow_model(folder, width):
    """The dense model with feed-forward layers of `width`, all zeros: an empty file that takes time to load."""
    source = MODELS / "qwen3"
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((source / name).read_bytes())
    config = json.loads((source / "config.json").read_text())
    hidden, config["intermediate_size"] = config["hidden_size"], width
    (folder / "config.json").write_text(json.dumps(config))
    with open(source / "model.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__", None)
    end = 0
    for name, entry in header.items():
        if ".mlp." in name:
            entry["shape"] = [hidden, width] if "down_proj" in name else [width, hidden]
        begin, end = end, end + 2 * math.prod(entry["shape"])
        entry["data_offsets"] = [begin, end]
    data = json.dumps(header).encode()
    data += b" " * (-len(data) % 8)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(len(data).to_bytes(8, "little") + data)
        file.truncate(8 + len(data) + end)
    return folder


def test_a_signal_while_loading_ends_at_once(tmp_path):
    model = make_slow_model(tmp_path, 1 << 19)
    process = subprocess.Popen([BINARY, "serve", model, "--port", "0", "--weights", "int4", "--threads", "1"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT)
    with pytest.raises(subprocess.TimeoutExpired):  # it is at it
        process.wait(0.2)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM and time.monotonic() - began < 1
    assert b"listening" not in output
