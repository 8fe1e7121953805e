"""The disk of evicted pages full, damaged or cut short: pages less, and the same answers."""

import random
import resource

import pytest
from aftermath import survives

PROMPTS = [random.Random(seed).choices(range(3, 250), k=700) for seed in range(30)]


def ask(server, prompt):
    answer = server.post("/v1/completions", {"prompt": prompt, "max_tokens": 4, "seed": 1, "ignore_eos": True,
                                             "logprobs": 2, "return_token_ids": True})
    choice = answer["choices"][0]
    return choice["token_ids"], choice["logprobs"]


@pytest.fixture
def spilling(start, tmp_path):
    """A server whose cache has not room for all prompts at once, and the file of the rest."""
    server = start(kv_memory="4M", kv_spill=tmp_path, kv_spill_size="64M")
    assert int(server.metric("hone_kv_pages_total")) * 64 < sum(map(len, PROMPTS)) / 2
    return server, tmp_path / "kv-pages.hone"


def failures(server):
    return server.metric("hone_kv_spill_failures_total")


def test_a_full_disk(spilling):
    server, _ = spilling
    with survives(server):
        answers = [ask(server, prompt) for prompt in PROMPTS[:10]]
        written = server.metric("hone_kv_spill_written_bytes_total")
        assert written > 0 and failures(server) == 0
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (int(written) + 10_000, resource.RLIM_INFINITY))
        for prompt in PROMPTS[10:]:
            ask(server, prompt)
        failed = failures(server)
        assert failed > 0
        assert [ask(server, prompt) for prompt in PROMPTS[:10]] == answers
        assert failures(server) == failed, "nothing more is written"
    assert server.output.count("File too large") == 1


def overwrite(file):
    noise = random.Random(5)
    size = file.stat().st_size
    with file.open("r+b") as pages:
        for at in range(4096, size, 4096):
            pages.seek(at + noise.randrange(4096 - 8))
            pages.write(noise.randbytes(8))


def cut_short(file):
    with file.open("r+b") as pages:
        pages.truncate(5000)


@pytest.mark.parametrize("damage", [overwrite, cut_short])
def test_pages_that_cannot_be_read(spilling, damage):
    server, file = spilling
    with survives(server):
        answers = [ask(server, prompt) for prompt in PROMPTS]
        assert server.metric("hone_kv_spill_read_pages_total") == 0
        damage(file)
        assert [ask(server, prompt) for prompt in PROMPTS] == answers
        assert failures(server) > 10
