"""More than the server can do: refused before any work, in words and with a time; what runs and /health go on."""

import json
import resource
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import health_probe
import pytest
from aftermath import survives
from hone_server import wait_until
from raw_request import HEALTH, completion, connect


def hold(server, count, **fields):
    """Streams that run on until they are closed."""
    connections = [connect(server) for _ in range(count)]
    for connection in connections:
        connection.sendall(completion(stream=True, max_tokens=8000, **fields))
    return connections


def close(connections):
    for connection in connections:
        connection.close()


def refusal(server, headers=None, **fields):
    status, answer_headers, body = server.request("POST", "/v1/completions", {"prompt": "x", "max_tokens": 1} | fields,
                                                  headers)
    return status, json.loads(body)["error"]["code"] if status != 200 else None, answer_headers["Retry-After"]


def test_past_capacity(start):
    server = start(max_streams=2, max_waiting=2, isa="reference")
    with survives(server):
        held = hold(server, 4)
        wait_until(lambda: server.metric("hone_requests_submitted_total") == 5, what="four more requests")
        assert server.metric("vllm:num_requests_running") == 2 and server.metric("vllm:num_requests_waiting") == 2
        for _ in range(3):
            status, code, after = refusal(server)
            assert (status, code) == (429, "overloaded") and 1 <= int(after) <= 60
        assert server.metric("hone_requests_refused_total", reason="overloaded") == 3
        close(held[:1])
        wait_until(lambda: server.metric("hone_requests_cancelled_total") == 1, what="a free place")
        close(held[1:])


def test_the_queue_has_a_time_limit(start):
    server = start(max_streams=1, max_queue_time=0.3, isa="reference")
    with survives(server):
        held = hold(server, 1)
        wait_until(lambda: server.metric("vllm:num_requests_running") == 1, what="a running request")
        assert refusal(server)[:2] == (429, "queue_timeout")
        with server.client() as client, pytest.raises(Exception, match="waited"):
            list(client.completions.create(model="qwen3_moe", prompt="x", stream=True))
        close(held)


def test_keys_have_limits_and_shares(start):
    server = start(max_streams=4, max_waiting=6, key_streams=3, isa="reference", api_key="one", request_log="-")
    key = {"X-Api-Key": "one"}
    streams = []
    try:
        for _ in range(3):
            streams.append(connect(server))
            streams[-1].sendall(completion(stream=True, max_tokens=8000)
                                .replace(b"Host: x\r\n", b"Host: x\r\nX-Api-Key: one\r\nX-Request-Id: held\r\n"))
        wait_until(lambda: server.metric("hone_requests_submitted_total") == 3, what="three requests")
        assert refusal(server, key)[:2] == (429, "key_limit")
    finally:
        close(streams)
    wait_until(lambda: refusal(server, key)[0] == 200, what="a free place")
    wait_until(lambda: server.output.count('"id":"held"') == 3, what="three lines of the request log")
    line = next(json.loads(line) for line in server.output.splitlines() if '"id":"held"' in line)
    assert line["finish"] == "abort" and line["tenant"] == 1 and line["status"] == 200 and line["stream"]
    assert "one" not in [str(value) for value in line.values()]


def resident(server):
    with open(f"/proc/{server.process.pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def settled(server):
    """Resident bytes once the memory of the cache's pages, which is committed ahead of use, has all come."""
    before, now = 0, resident(server)
    while now != before:
        time.sleep(0.5)
        before, now = now, resident(server)
    return now


@pytest.fixture
def many_files():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(4096, before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, before[1]))
    if wanted < 3000:
        pytest.skip(f"the system allows {wanted} open files")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_many_connections_and_streams(start, many_files):
    """2,000 idle connections and 256 streams."""
    server = start(max_streams=256, kv_memory="512M")
    with survives(server, 60):
        empty = settled(server)
        idle = [connect(server) for _ in range(2000)]
        for connection in idle:
            connection.sendall(HEALTH)
        assert all(connection.recv(4096).startswith(b"HTTP/1.1 200") for connection in idle)
        assert (resident(server) - empty) / len(idle) < 16 << 10
        streams = [connect(server, 120) for _ in range(256)]
        for connection in streams:
            connection.sendall(completion(stream=True, max_tokens=1000))
        wait_until(lambda: server.metric("vllm:num_requests_running") == 256, 60, "256 running streams")

        def whole(connection):
            received = b""
            while not received.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
                piece = connection.recv(65536)
                assert piece, received[-300:]
                received += piece

        for connection in streams:
            whole(connection)
        assert resident(server) - empty < 400 << 20
        for connection in idle:
            connection.sendall(HEALTH)
        assert all(connection.recv(4096).startswith(b"HTTP/1.1 200") for connection in idle)
        close(idle + streams)


def test_health_answers_under_any_load(start):
    """Long prompts, large bodies, streams and answers of megabytes, on all the machine's processors."""
    server = start(threads=0, max_streams=64, kv_memory="256M")
    done = threading.Event()
    text = "the same words again and again " * 250
    large = json.dumps({"prompt": ["x" * 100] * 900, "max_tokens": 1}).encode()
    numbers = b'{"prompt": [' + b"1," * 6_000_000 + b"1]}"

    def load(ask):
        while not done.is_set():
            ask()

    jobs = [lambda: server.request("POST", "/v1/completions", {"prompt": text, "max_tokens": 50, "ignore_eos": True}),
            lambda: server.request("POST", "/v1/completions", large), lambda: server.request("POST", "/tokenize", large),
            lambda: server.request("POST", "/v1/completions", numbers),
            lambda: server.request("POST", "/v1/completions", {"prompt": text, "max_tokens": 20, "n": 4, "logprobs": 20,
                                                               "echo": True})]
    with survives(server, 60), ThreadPoolExecutor(16) as clients:
        loads = [clients.submit(load, job) for job in jobs * 2]
        held = hold(server, 16)
        probe = subprocess.run([sys.executable, health_probe.__file__, server.host, str(server.port), "300"],
                               check=True, capture_output=True, timeout=60)
        done.set()
        close(held)
        for job in loads:
            job.result(60)
    times = sorted(json.loads(probe.stdout))
    print("health: median {:.1f} ms, 99 of 100 {:.1f} ms, longest {:.1f} ms".format(
        *(1e3 * times[at] for at in (150, 296, 299))))
    # All of them on a machine of our own; one in a hundred is left to whatever else runs here.
    assert times[296] < 0.05 and times[-1] < 0.5
