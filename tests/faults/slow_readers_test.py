"""Clients that do not read their streams: bounded, dropped, their pages freed; nobody else notices."""

import time

from aftermath import survives
from hone_server import wait_until
from raw_request import completion, connect


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
        for connection in stalled:
            connection.close()


def test_a_pause_that_is_short_enough_is_forgiven(start):
    server = start(write_timeout=20)
    with survives(server), connect(server, receive_buffer=4096) as connection:
        connection.sendall(completion(stream=True, max_tokens=300))
        time.sleep(1)
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(65536)
        assert b"data: [DONE]" in received
