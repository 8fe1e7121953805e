"""Memory that is not there: cache pages, address space."""

import json
import resource
from concurrent.futures import ThreadPoolExecutor

import pytest
from aftermath import reference, survives


def test_out_of_pages(start):
    """Eight requests that fit two at a time: they preempt one another and all end as each does alone."""
    server = start(kv_memory="4M", max_streams=8)
    page_tokens = 64
    room = int(server.metric("hone_kv_pages_total")) * page_tokens

    def ask(seed):
        answer = server.post("/v1/completions", {"prompt": f"{seed}" * (room // 8), "max_tokens": room // 4,
                                                 "seed": seed, "ignore_eos": True, "logprobs": 0,
                                                 "return_token_ids": True})
        return answer["choices"][0]["token_ids"], answer["choices"][0]["logprobs"]["token_logprobs"]

    with survives(server):
        alone = [ask(seed) for seed in range(8)]
        before = server.metric("vllm:num_preemptions_total")
        with ThreadPoolExecutor(8) as clients:
            assert list(clients.map(ask, range(8))) == alone
        assert server.metric("vllm:num_preemptions_total") > before


@pytest.fixture
def confined(start):
    """A server whose address space cannot grow by more than 96 MiB."""
    server = start()
    reference(server)
    pid = server.process.pid
    with open(f"/proc/{pid}/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.prlimit(pid, resource.RLIMIT_AS, (size + (96 << 20), resource.RLIM_INFINITY))
    return server


def test_a_request_that_there_is_no_memory_for(confined):
    """Numbers take 24 bytes each when they are parsed: 15 MB of them are more than there is."""
    body = b'{"prompt": [' + b"1," * 7_000_000 + b"1]}"
    with survives(confined):
        for _ in range(3):
            status, headers, answer = confined.request("POST", "/v1/completions", body)
            assert status == 503 and "memory" in json.loads(answer)["error"]["message"] and headers["Retry-After"]
