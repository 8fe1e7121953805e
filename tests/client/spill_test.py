"""The prefix cache on disk: found again after a restart, and never by another model."""

import random

from conftest import MODEL
from hone_server import HoneServer, run_hone

DRAW = random.Random(11)
PROMPT = [DRAW.randrange(3, 250) for _ in range(300)]
FIELDS = {"prompt": PROMPT, "max_tokens": 20, "seed": 1, "logprobs": 2, "ignore_eos": True}


def serve(folder, *flags):
    return HoneServer(MODEL, "--threads", 1, "--kv-memory", "4M", "--kv-spill", folder, "--kv-spill-size", "64M", *flags)


def ask(server):
    answer = server.post("/v1/completions", FIELDS)
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"], answer["choices"][0]["logprobs"]


def test_a_restart_goes_on_where_the_server_was_stopped(tmp_path):
    with serve(tmp_path / "spill") as server:
        assert server.metric("hone_kv_spill_pages") == 0
        cold, first = ask(server)
        assert cold == 0
        server.stop()
    with serve(tmp_path / "spill") as server:
        assert server.metric("hone_kv_spill_pages") > 4
        assert ask(server) == (299, first)
        assert server.metric("hone_kv_spill_read_pages_total") >= 5
        assert server.metric("hone_kv_spill_read_bytes_total") > 0
        assert server.metric("hone_kv_spill_failures_total") == 0
        busy = run_hone("serve", MODEL, "--port", 0, "--kv-memory", "4M", "--kv-spill", tmp_path / "spill")
        assert busy.returncode != 0 and "--kv-spill" in busy.stderr and "in use by another process" in busy.stderr
        server.stop()
    with serve(tmp_path / "spill", "--weights", "int4") as server:
        assert server.metric("hone_kv_spill_pages") == 0
        assert ask(server)[0] == 0
