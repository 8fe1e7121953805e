"""What every fault must leave behind: an empty engine, and the same bits as before."""

from contextlib import contextmanager


def reference(server):
    """An answer down to the bits of its log-probabilities, as a request of its own."""
    answer = server.post("/v1/completions", {"prompt": "The measure of all things", "max_tokens": 24, "seed": 7,
                                             "ignore_eos": True, "logprobs": 3, "return_token_ids": True,
                                             "cache_salt": None})
    choice = answer["choices"][0]
    return choice["token_ids"], choice["logprobs"], choice["text"]


@contextmanager
def survives(server, seconds=30):
    """Whatever happens inside, afterwards nothing runs, waits or holds a page, and the next answer is as before."""
    before = reference(server)
    yield
    assert server.process.poll() is None, server.output
    server.wait_until_idle(seconds)
    assert reference(server) == before
