"""Clients that go away: what they asked for is dropped within moments, and others notice nothing."""

import json
import socket
import struct
import threading
from contextlib import contextmanager

import openai
import pytest
from answers import choices_of
from conftest import MODEL
from hone_server import HoneServer, wait_until

LONG = 30_000  # tokens; half a minute of work


@pytest.fixture
def server():
    # The plain kernels are slow enough that clients leave amid their streams, however fast the machine is.
    with HoneServer(MODEL, "--threads", 1, "--isa", "reference", "--kv-memory", "64M", "--max-streams", 4) as running:
        yield running
        running.wait_until_idle(5)


@pytest.fixture
def client(server):
    with server.client() as connected:
        yield connected


def long_stream(client, server, **fields):
    return client.completions.create(model=MODEL.name, prompt="On and on", max_tokens=LONG, stream=True,
                                     extra_body={"ignore_eos": True}, **fields)


@contextmanager
def cancels(server, count):
    """What happens inside ends with `count` sequences cancelled long before their end, and an empty engine."""
    cancelled = server.metric("hone_requests_cancelled_total")
    aborted = server.metric("vllm:request_success_total", finished_reason="abort")
    yield
    wait_until(lambda: server.metric("hone_requests_cancelled_total") == cancelled + count, 5, "the cancelling")
    server.wait_until_idle(5)
    wait_until(lambda: server.metric("vllm:request_success_total", finished_reason="abort") == aborted + count,
               what="the counting")


def test_a_stream_that_is_closed_is_dropped(client, server):
    with cancels(server, 1):
        stream = long_stream(client, server)
        for _ in range(3):
            assert next(stream).choices
        assert server.metric("vllm:num_requests_running") == 1 and server.metric("hone_kv_pages_in_use") > 0
        stream.close()


def test_all_choices_of_a_request_are_dropped(client, server):
    with cancels(server, 3):
        stream = long_stream(client, server, n=3)
        next(stream)
        stream.close()


def test_a_whole_answer_that_nobody_waits_for_is_dropped(client, server):
    with cancels(server, 1), pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.3).completions.create(model=MODEL.name, prompt="On and on", max_tokens=LONG,
                                                            extra_body={"ignore_eos": True})


def test_waiting_requests_are_dropped(client, server):
    """More than run at once: those in the queue go as those in the batch do."""
    with cancels(server, 7):
        streams = [long_stream(server.client(), server) for _ in range(4)]
        for stream in streams:
            next(stream)
        waiting = [long_stream(server.client(), server) for _ in range(3)]
        wait_until(lambda: server.metric("vllm:num_requests_waiting") == 3, what="three waiting requests")
        for stream in waiting + streams:
            stream.close()


def test_a_connection_that_is_reset_stops_the_work(server):
    with cancels(server, 1), socket.create_connection((server.host, server.port), 20) as connection:
        body = json.dumps({"prompt": "x", "max_tokens": LONG, "ignore_eos": True, "stream": True}).encode()
        head = "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
        connection.sendall(f"{head}{len(body)}\r\n\r\n".encode() + body)
        assert connection.recv(12) == b"HTTP/1.1 200"
        wait_until(lambda: server.metric("vllm:generation_tokens_total") > 10, what="some tokens")
        linger = struct.pack("ii", 1, 0)  # close() sends RST, no FIN
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        steps = server.metric("hone_engine_steps_total")
    assert steps > 10 and server.metric("hone_engine_steps_total") - steps < LONG / 100


def test_others_are_not_affected(client, server):
    def ask(seed):
        answer = client.completions.create(model=MODEL.name, prompt="A steady request", seed=seed, max_tokens=40,
                                           logprobs=2, stream=True,
                                           extra_body={"ignore_eos": True, "return_token_ids": True})
        return choices_of(answer)

    alone = [ask(seed) for seed in range(4)]
    done = threading.Event()

    def come_and_go():
        with server.client(timeout=10) as restless:
            while not done.is_set():
                stream = long_stream(restless, server)
                next(stream)
                stream.close()

    guests = [threading.Thread(target=come_and_go) for _ in range(3)]
    cancelled = server.metric("hone_requests_cancelled_total")
    for guest in guests:
        guest.start()
    try:
        wait_until(lambda: server.metric("hone_requests_cancelled_total") > cancelled + 3, what="some coming and going")
        assert [ask(seed) for seed in range(4)] == alone
        assert server.metric("hone_requests_cancelled_total") > cancelled + 4
    finally:
        done.set()
        for guest in guests:
            guest.join()
    server.wait_until_idle(5)
