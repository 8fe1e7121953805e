"""Bytes that are no requests: answered with an error or closed, and nothing else."""

import random
import re

import pytest
from aftermath import survives
from raw_request import HEALTH, completion, exchange

ANSWER = re.compile(rb"HTTP/1\.1 [2345]\d\d ")


def garbage(dice):
    kind = dice.randrange(4)
    if kind == 0:
        return dice.randbytes(dice.randrange(1, 5000))
    request = bytearray(completion(max_tokens=1) if kind < 3 else HEALTH * 5)
    for _ in range(dice.randrange(1, 8)):
        at = dice.randrange(len(request))
        edit = dice.randrange(3)
        if edit == 0:
            request[at] = dice.randrange(256)
        elif edit == 1:
            del request[at:at + dice.randrange(1, 30)]
        else:
            request[at:at] = dice.choice([b"\r\n", b"\0", b"\r\n\r\n", b"\xff" * 9, b"Content-Length: 1\r\n", b":", b"{"])
    return bytes(request)


@pytest.mark.parametrize("seed", range(4))
def test_garbage_bytes(server, seed):
    dice = random.Random(seed)
    with survives(server):
        for _ in range(100):
            data = garbage(dice)
            answer = exchange(server, data)
            assert not answer or ANSWER.match(answer), (data, answer)


@pytest.mark.parametrize("head", [
    b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"".join(b"H%d: v\r\n" % i for i in range(10_000)) + b"\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nLong: " + b"x" * 1_000_000 + b"\r\n\r\n",
    b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"x" * 1_000_000,
    b"x" * 1_000_000,
], ids=["many", "long", "target", "no colon", "no line"])
def test_oversized_headers(server, head):
    with survives(server):
        answer = exchange(server, head)
        assert re.match(rb"HTTP/1\.1 4(31|00) ", answer) or not answer
        assert len(answer) < 1000
