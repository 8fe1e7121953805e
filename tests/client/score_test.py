"""`hone score` and `hone pack`: what is written, and that no flag of the schedule and no pack file changes a bit."""

import array
import json
import math
import random
import struct

import pytest
from conftest import MODEL
from hone_server import HoneServer, run_hone

LENGTHS = [1, 9, 70, 530]


def read_safetensors(path):
    """Names to (shape, values)."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    tensors = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            kind = {"F32": "f", "I32": "i", "I64": "q"}[entry["dtype"]]
            tensors[name] = entry["shape"], array.array(kind, data[8 + length + begin:8 + length + end])
    return tensors


@pytest.fixture(scope="module")
def sequences(vocabulary):
    draw = random.Random(3)
    return [[draw.randrange(vocabulary) for _ in range(length)] for length in LENGTHS]


@pytest.fixture(scope="module")
def score(tmp_path_factory, sequences):
    """Runs `hone score` and gives the bytes of what it wrote."""
    folder = tmp_path_factory.mktemp("score")
    given = folder / "given.jsonl"
    given.write_text("".join(json.dumps({"ids": ids}) + "\n" for ids in sequences))

    def run(*flags, model=MODEL, lines=None):
        if lines is not None:
            given_now = folder / "lines.jsonl"
            given_now.write_text("".join(json.dumps(line) + "\n" for line in lines))
        output = folder / "out.safetensors"
        output.unlink(missing_ok=True)
        done = run_hone("score", model, "--input", given if lines is None else given_now, "--output", output, *flags)
        assert done.returncode == 0, done.stderr
        run.path, run.stdout = output, done.stdout
        return output.read_bytes()

    return run


@pytest.mark.parametrize("weights", ["auto", "int4", "int4-experts"])
def test_the_schedule_changes_no_bit(score, weights):
    contents = ["--weights", weights, "--hidden", "--router", "--greedy", 6]
    whole = score(*contents)
    for schedule in (["--chunk", 7], ["--chunk", 100, "--threads", 1], ["--layers-per-step", 1],
                     ["--chunk", 33, "--layers-per-step", 3, "--threads", 2]):
        assert score(*contents, *schedule) == whole


def test_the_kernels_change_no_bit(score):
    assert score("--isa", "reference", "--hidden") == score("--hidden")


def test_what_is_written(score, sequences, vocabulary):
    score("--hidden", "--router", "--greedy", 5)
    tensors = read_safetensors(score.path)
    config = json.loads((MODEL / "config.json").read_text())
    layers, hidden, experts = (config[name] for name in ("num_hidden_layers", "hidden_size", "num_experts_per_tok"))
    for index, ids in enumerate(sequences):
        assert tensors[f"{index}.logits"][0] == [len(ids), vocabulary]
        assert tensors[f"{index}.logprobs"][0] == [len(ids) - 1]
        assert len(tensors[f"{index}.greedy.ids"][1]) == 5
        assert tensors[f"{index}.router.{layers - 1}.experts"][0] == [len(ids), experts]
        for layer in range(layers):
            assert tensors[f"{index}.hidden.{layer}"][0] == [len(ids), hidden]
    assert f"0.hidden.{layers}" not in tensors and f"{len(sequences)}.logits" not in tensors


def test_logprobs_follow_from_logits(score, sequences, vocabulary):
    score()
    tensors = read_safetensors(score.path)
    assert not any("hidden" in name or "router" in name or "greedy" in name for name in tensors)
    logits, logprobs = tensors["1.logits"][1], tensors["1.logprobs"][1]
    for position, following in enumerate(sequences[1][1:]):
        row = logits[position * vocabulary:(position + 1) * vocabulary]
        expected = row[following] - math.log(math.fsum(map(math.exp, row)))
        assert math.isclose(logprobs[position], expected, abs_tol=1e-5)


def test_logits_can_be_left_out(score):
    score()
    whole = read_safetensors(score.path)
    score("--no-logits")
    assert read_safetensors(score.path) == {name: value for name, value in whole.items() if "logits" not in name}


def test_the_summary_is_json_if_asked_for(score, sequences):
    score("--json", "--no-logits")
    told = json.loads(score.stdout)
    values = [value for name, (_, part) in read_safetensors(score.path).items() for value in part]
    assert told["sequences"] == len(sequences) and told["tokens"] == sum(LENGTHS)
    assert math.isclose(told["perplexity"], math.exp(-math.fsum(values) / len(values)), rel_tol=1e-6)


def test_a_text_is_the_ids_of_its_tokens(score, server):
    text = "Ein naïver Satz. ☃"
    by_text = score(lines=[{"text": text}])
    assert by_text == score(lines=[{"ids": server.tokenize(text)}])


@pytest.mark.parametrize("weights", ["auto", "int4", "int4-experts"])
def test_a_pack_file_is_its_folder_to_the_bit(score, tmp_path, weights):
    packed = tmp_path / "model.pack"
    done = run_hone("pack", MODEL, packed, "--weights", weights)
    assert done.returncode == 0 and "tensors" in done.stdout
    assert score("--hidden", model=packed) == score("--hidden", "--weights", weights)
    assert score(model=packed, lines=[{"text": "text"}]) == score("--weights", weights, lines=[{"text": "text"}])


def test_a_pack_file_is_served_as_its_folder_is(tmp_path):
    packed = tmp_path / "model.pack"
    assert run_hone("pack", MODEL, packed, "--weights", "int4").returncode == 0
    ask = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 20, "seed": 1, "logprobs": True,
           "return_token_ids": True}
    answers = []
    for model, flags in ((MODEL, ["--weights", "int4"]), (packed, [])):
        with HoneServer(model, "--threads", 1, "--kv-memory", "4M", *flags) as server:
            answer = server.post("/v1/chat/completions", ask)
            answers.append((answer["prompt_token_ids"], answer["choices"]))
    assert answers[0] == answers[1]


def test_the_server_gives_the_scorers_numbers(score, sequences, client, model):
    score("--no-logits")
    logprobs = read_safetensors(score.path)
    for index, ids in enumerate(sequences[1:], 1):
        answer = client.completions.create(model=model, prompt=ids, max_tokens=0, echo=True, logprobs=0)
        assert answer.choices[0].logprobs.token_logprobs[1:] == list(logprobs[f"{index}.logprobs"][1])


FAULTS = ['{"ids": [1, 2', '{"ids": []}', '{"ids": [-1]}', '{"ids": [1000000]}', '{"ids": "x"}', '{"text": 5}', "{}",
          "[]", '{"ids": [1], "text": "x"}', '{"ids": [1.5]}']


@pytest.mark.parametrize("line", FAULTS)
def test_a_faulty_line_is_named(tmp_path, line):
    given, output = tmp_path / "given.jsonl", tmp_path / "out.safetensors"
    given.write_text('{"ids": [1, 2]}\n\n' + line + "\n")
    done = run_hone("score", MODEL, "--input", given, "--output", output)
    assert done.returncode == 1 and "given.jsonl:3" in done.stderr
    assert not output.exists(), "nothing half done is left"


def test_files_that_cannot_be_used_are_named(tmp_path):
    given = tmp_path / "given.jsonl"
    given.write_text('{"ids": [1]}\n')
    for arguments, named in ((["--input", tmp_path / "absent.jsonl", "--output", tmp_path / "out"], "absent.jsonl"),
                             (["--input", given, "--output", tmp_path / "no/such/out"], "no/such/out")):
        done = run_hone("score", MODEL, *arguments)
        assert done.returncode == 1 and named in done.stderr
    given.write_bytes(b"")
    done = run_hone("score", MODEL, "--input", given, "--output", tmp_path / "out")
    assert done.returncode == 1 and "given.jsonl" in done.stderr
    damaged = tmp_path / "damaged.pack"
    assert run_hone("pack", MODEL, damaged).returncode == 0
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data[:-100])
    given.write_text('{"ids": [1]}\n')
    done = run_hone("score", damaged, "--input", given, "--output", tmp_path / "out")
    assert done.returncode == 1 and "damaged.pack" in done.stderr
