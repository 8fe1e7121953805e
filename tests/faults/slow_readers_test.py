"""Clients that do not read their streams: bounded, paused, dropped, their pages freed; nobody else notices."""

import json
import re
import time

from aftermath import survives
from hone_server import wait_until
from raw_request import completion, connect


def texts_of(received):
    """The text of each choice of a raw stream; an event is never spread over chunks of the transfer."""
    texts = {}
    for event in re.findall(rb"data: ({.*})\n\n", received):
        for choice in json.loads(event)["choices"]:
            texts[choice["index"]] = texts.get(choice["index"], "") + choice["text"]
    return texts


def read_stream(connection):
    received = b""
    while not received.endswith(b"\r\n0\r\n\r\n"):  # an id may end the head with a 0
        piece = connection.recv(65536)
        assert piece, "the stream was cut"
        received += piece
    assert b"data: [DONE]" in received
    return texts_of(received)


def wait_until_paused(server, streams=1):
    wait_until(lambda: server.metric("hone_streams_paused") == streams, 40, f"{streams} paused streams")


def test_a_stalled_reader_is_paused_and_gets_the_same_text_when_it_reads_on(start):
    server = start(write_timeout=60)
    request = completion(stream=True, max_tokens=4000, n=2, seed=3, temperature=1)
    with survives(server), connect(server, receive_buffer=4096) as stalled, connect(server) as reader:
        reader.sendall(request)
        whole = read_stream(reader)
        assert len(whole) == 2 and all(whole.values())
        stalled.sendall(request)
        wait_until_paused(server, 2)
        generated = server.metric("vllm:generation_tokens_total")
        assert generated < 3 * 4000 and server.metric("hone_kv_pages_in_use") > 0
        # Another stream is not disturbed, and what the paused one holds does not grow meanwhile.
        with server.client() as client:
            chunks = list(client.completions.create(model="qwen3_moe", prompt="x", max_tokens=50, stream=True,
                                                    extra_body={"ignore_eos": True}))
        assert chunks[-1].choices[0].finish_reason == "length"
        assert server.metric("vllm:generation_tokens_total") == generated + 50
        assert server.metric("hone_streams_paused") == 2
        assert read_stream(stalled) == whole
        assert server.metric("hone_streams_paused") == 0


def test_paused_readers_make_way(start):
    server = start(write_timeout=60, max_streams=2)
    with survives(server), connect(server, receive_buffer=4096) as stalled:
        stalled.sendall(completion(stream=True, max_tokens=4000, n=2))
        wait_until_paused(server, 2)
        assert server.metric("vllm:num_requests_running") == 2
        began = time.monotonic()
        server.post("/v1/completions", {"prompt": "x", "max_tokens": 20})
        assert time.monotonic() - began < 10 and server.metric("hone_streams_paused") == 2


def test_draining_does_not_wait_for_paused_readers(start):
    server = start(write_timeout=60, drain=0.5)
    with connect(server, receive_buffer=4096) as stalled:
        stalled.sendall(completion(stream=True, max_tokens=4000))
        wait_until_paused(server)
        server.signal()
        began = time.monotonic()
        assert server.wait(30) == 0 and time.monotonic() - began < 5


def test_stalled_readers_are_dropped(start):
    server = start(write_timeout=1)
    with survives(server):
        stalled = [connect(server, receive_buffer=4096) for _ in range(8)]
        for connection in stalled:
            connection.sendall(completion(stream=True, max_tokens=8000, logprobs=20))
        wait_until(lambda: server.metric("vllm:num_requests_running") == 8, what="eight streams")
        with server.client() as client:
            began = time.monotonic()
            chunks = list(client.completions.create(model="qwen3_moe", prompt="x", max_tokens=50, stream=True,
                                                    extra_body={"ignore_eos": True}))
            assert chunks[-1].choices[0].finish_reason == "length" and time.monotonic() - began < 20
        wait_until(lambda: server.metric("vllm:request_success_total", finished_reason="abort") == 8, 40,
                   "eight dropped streams")
        assert server.metric("vllm:generation_tokens_total") < 8 * 8000
        for connection in stalled:
            connection.close()


def test_a_pause_that_is_short_enough_is_forgiven(start):
    server = start(write_timeout=20)
    with survives(server), connect(server, receive_buffer=4096) as connection:
        connection.sendall(completion(stream=True, max_tokens=300))
        time.sleep(1)
        read_stream(connection)
