"""Random weights of a known shape, in memory and as a pack file: a model without a tokenizer, for measuring. And what
happens to a server whose pack file is damaged."""

import json
import shutil

import openai
import pytest
from answers import choices_of
from conftest import MODEL
from hone_server import HoneServer, run_hone, wait_until

SHAPE = "tiny-moe"
FLAGS = ["--threads", 1, "--kv-memory", "4M"]
PROMPT = [5, 280, 17, 17, 3]


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    path = tmp_path_factory.mktemp("packs") / "random.hone"
    done = run_hone("pack", "--shape", SHAPE, "--random", path, "--weights", "int4")
    assert done.returncode == 0 and "tensors" in done.stdout, done.stderr
    return path


@pytest.fixture(scope="module")
def random_server(packed):
    with HoneServer(packed, *FLAGS) as running:
        yield running


def complete(server, **fields):
    fields = {"model": server.client().models.list().data[0].id, "prompt": PROMPT, "seed": 3, "max_tokens": 20,
              "logprobs": 2, "extra_body": {"return_token_ids": True}} | fields
    return server.client().completions.create(**fields)


def test_a_random_pack_is_its_shape_in_memory_to_the_bit(random_server):
    with HoneServer("--shape", SHAPE, "--weights", "int4", *FLAGS) as in_memory:
        assert in_memory.client().models.list().data[0].id == SHAPE
        answers = [choices_of(complete(server)) for server in (in_memory, random_server)]
    assert answers[0] == answers[1] and len(answers[0][0].token_ids) == 20


def test_tokens_read_as_their_ids(random_server):
    choice = complete(random_server).choices[0]
    assert choice.text == "".join(f"⟨{token}⟩" for token in choice.token_ids)
    assert choice.logprobs.tokens == [f"⟨{token}⟩" for token in choice.token_ids]


def test_every_token_is_a_delta_of_a_stream(random_server):
    whole = complete(random_server).choices[0]
    texts = [chunk.choices[0].text for chunk in complete(random_server, stream=True)]
    assert texts == [f"⟨{token}⟩" for token in whole.token_ids]


def test_lists_of_prompts_work(random_server):
    alone = [choices_of(complete(random_server, prompt=prompt))[0] for prompt in ([1, 2], [3])]
    assert choices_of(complete(random_server, prompt=[[1, 2], [3]])) == alone


def test_text_is_refused_with_the_reason(random_server):
    requests = {"/v1/completions": {"prompt": "text"}, "/tokenize": {"prompt": "text"},
                "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]}}
    for path, body in requests.items():
        status, _, answer = random_server.request("POST", path, body)
        assert status == 400 and b"has no tokenizer" in answer, answer
    with pytest.raises(openai.BadRequestError, match="has no tokenizer"):
        complete(random_server, prompt="text")
    assert random_server.post("/detokenize", {"tokens": [7, 8]})["prompt"] == "⟨7⟩⟨8⟩"


def test_the_other_verbs_say_that_there_is_no_tokenizer(packed):
    done = run_hone("chat", packed, stdin="hi\n")
    assert done.returncode == 1 and "tokenizer.json" in done.stderr


def test_the_checksums_of_a_served_pack_are_compared(random_server):
    wait_until(lambda: "all checksums are right" in random_server.output, what="the end of the verification")
    assert random_server.request("GET", "/health")[0] == 200


@pytest.fixture
def damaged(packed, tmp_path):
    """A copy with one wrong bit in the head, and the head's name."""
    path = tmp_path / "damaged.hone"
    shutil.copy(packed, path)
    data = bytearray(path.read_bytes())
    directory_bytes, data_begin = (int.from_bytes(data[at:at + 8], "little") for at in (16, 24))
    head = json.loads(data[64:64 + directory_bytes])["tensors"][-1]
    data[data_begin + head["offset"] + head["bytes"] // 2] ^= 1
    path.write_bytes(data)
    return path, head["name"]


def test_damage_stops_a_running_server(damaged):
    path, tensor = damaged
    server = HoneServer(path, *FLAGS)
    try:
        wait_until(lambda: server.request("GET", "/health")[0] == 503, what="the server to notice")
        health = json.loads(server.request("GET", "/health")[2])
        assert health["status"] == "error"
        for part in (str(path), tensor, "hone pack"):
            assert part in health["message"]
        status, _, answer = server.request("POST", "/v1/completions", {"prompt": PROMPT})
        assert status == 503 and tensor.encode() in answer
        server.signal()
        assert server.wait() == 1
        assert "error" in server.output and tensor in server.output
    finally:
        if server.process.poll() is None:
            server.kill()


def test_damage_can_be_found_before(damaged):
    path, tensor = damaged
    done = run_hone("serve", path, *FLAGS, "--port", 0, "--verify", "before")
    assert done.returncode == 1 and tensor in done.stderr and "listening" not in done.stdout


def test_checksums_can_be_left_alone(damaged):
    path, _ = damaged
    with HoneServer(path, *FLAGS, "--verify", "never") as server:
        assert len(complete(server).choices[0].token_ids) == 20
        assert server.request("GET", "/health")[0] == 200 and "checksum" not in server.output


def test_what_has_no_checksums_is_served_whatever_the_flag(tmp_path):
    for mode in ("background", "before", "never"):
        with HoneServer(MODEL, *FLAGS, "--verify", mode) as server:
            assert server.request("GET", "/health")[0] == 200


def test_nothing_is_scored_from_a_damaged_pack(damaged, tmp_path):
    path, tensor = damaged
    given, output = tmp_path / "in.jsonl", tmp_path / "out.safetensors"
    given.write_text(json.dumps({"ids": PROMPT}) + "\n")
    done = run_hone("score", path, "--input", given, "--output", output, "--threads", 1)
    assert done.returncode == 1 and tensor in done.stderr and not output.exists()


def test_a_checkpoint_that_lost_its_tokenizer_is_an_error(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in MODEL.iterdir():
        if "token" not in file.name:
            (folder / file.name).write_bytes(file.read_bytes())
    done = run_hone("serve", folder, *FLAGS, "--port", 0)
    assert done.returncode == 1 and "tokenizer.json" in done.stderr
