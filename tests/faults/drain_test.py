"""SIGTERM while many streams run and clients keep coming: each gets its whole answer or a clean error."""

import json
import threading
import time

import pytest
from hone_server import wait_until
from raw_request import completion, connect, read_to_the_end


def outcome(answer):
    """How a client's request ended, from the bytes it got."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if not answer:
        return "refused"
    status = int(head.split()[1])
    if status == 503:
        return "refused" if "shutting down" in json.loads(body)["error"]["message"] else "unclear"
    if status != 200:
        return f"status {status}"
    if not body.endswith(b"0\r\n\r\n"):
        return "cut"
    if b"data: [DONE]" in body:
        return "whole"
    return "told" if b"shutting down" in body else "unclear"


@pytest.mark.parametrize("drain, tokens, expected", [(60, 150, {"whole"}), (0.3, 7000, {"told"})],
                         ids=["time enough", "too little time"])
def test_draining_under_load(start, drain, tokens, expected):
    server = start(drain=drain, isa="reference", max_streams=12)
    outcomes, late = [], []

    def ask(results):
        try:
            with connect(server, 120) as connection:
                connection.sendall(completion(stream=True, max_tokens=tokens))
                results.append(outcome(read_to_the_end(connection)))
        except OSError:
            results.append("refused")

    clients = [threading.Thread(target=ask, args=(outcomes,)) for _ in range(40)]
    for client in clients:
        client.start()
    wait_until(lambda: server.metric("hone_requests_submitted_total") >= 40, 60, "forty requests")
    server.signal()
    began = time.monotonic()
    latecomers = [threading.Thread(target=ask, args=(late,)) for _ in range(20)]
    for client in latecomers:
        client.start()
    assert server.wait(90) == 0
    assert time.monotonic() - began < drain + 5
    for client in clients + latecomers:
        client.join()
    assert set(outcomes) == expected and len(outcomes) == 40
    assert set(late) <= {"refused"} | expected
