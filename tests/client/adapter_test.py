"""Adapters: chosen by name, side by side, loaded and unloaded while others stream, each answer with the version that
computed it."""

import json
import math
import re
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from adapter_files import write_adapter
from answers import choices_of
from conftest import MODEL
from hone_server import HoneServer, run_hone
from score_test import read_safetensors

FLAGS = ["--threads", 1, "--kv-memory", "64M", "--max-context", 8192]
LOAD, UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"
ASKED = {"max_tokens": 24, "logprobs": 1, "temperature": 0,
         "extra_body": {"ignore_eos": True, "return_token_ids": True}}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("adapters")
    return {name: write_adapter(root / name, MODEL, seed) for seed, name in enumerate(["law", "math", "other"])}


@pytest.fixture(scope="module")
def adapted(folders, tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "requests.jsonl"
    with HoneServer(MODEL, *FLAGS, "--adapter", f"law={folders['law']}", "--adapter", f"math={folders['math']}",
                    "--allow-adapter-updates", "--request-log", log) as running:
        running.log = log
        yield running


def complete(server, name, prompt="Once upon a time", **fields):
    with server.client() as client:
        answer = client.completions.create(model=name, prompt=prompt, **(ASKED | fields))
        return list(answer) if fields.get("stream") else answer


def load(server, name, folder):
    return server.post(LOAD, {"lora_name": name, "lora_path": str(folder)})


def test_models_are_the_base_and_its_adapters(adapted, folders):
    with adapted.client() as client:
        listed = {entry.id: entry for entry in client.models.list().data}
        assert list(listed)[0] == MODEL.name and {"law", "math"} <= set(listed)
        assert listed["law"].parent == MODEL.name and listed["law"].root == str(folders["law"])
        assert listed[MODEL.name].parent is None
        assert listed["law"].hone["adapter"]["version"] == 1
        assert listed["law"].hone["adapter"]["fingerprint"] != listed["math"].hone["adapter"]["fingerprint"]
        assert client.models.retrieve("math").parent == MODEL.name
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("physics")


def test_every_model_says_something_else(adapted):
    said = [choices_of(complete(adapted, name))[0].token_ids for name in (MODEL.name, "law", "math")]
    assert said[0] != said[1] != said[2] != said[0]
    chat = {"messages": [{"role": "user", "content": "Hello"}], "temperature": 0, "max_tokens": 16}
    with adapted.client() as client:
        texts = {client.chat.completions.create(model=name, **chat).choices[0].message.content
                 for name in (MODEL.name, "law", "math")}
    assert len(texts) == 3


def test_the_answer_names_model_and_version(adapted):
    law = complete(adapted, "law")
    assert law.model == "law" and law.hone["adapter"]["name"] == "law"
    base = complete(adapted, MODEL.name)
    assert base.model == MODEL.name and "adapter" not in base.hone
    assert law.system_fingerprint == f"{base.system_fingerprint}-{law.hone['adapter']['fingerprint']}"
    chunks = complete(adapted, "law", stream=True)
    assert {chunk.system_fingerprint for chunk in chunks} == {law.system_fingerprint}
    assert {chunk.model for chunk in chunks} == {"law"}
    assert chunks[0].hone["adapter"] == law.hone["adapter"]


def test_mixed_requests_say_what_they_say_alone(adapted):
    jobs = [(name, prompt) for prompt in ("One", "Two", "A longer prompt " * 20)
            for name in (MODEL.name, "law", "math")]
    alone = [choices_of(complete(adapted, name, prompt)) for name, prompt in jobs]
    with ThreadPoolExecutor(len(jobs)) as pool:
        together = list(pool.map(lambda job: choices_of(complete(adapted, *job)), jobs))
    assert together == alone


def test_an_unknown_name_is_no_model(adapted):
    with pytest.raises(openai.NotFoundError) as failure:
        complete(adapted, "physics")
    assert failure.value.code == "model_not_found"


def test_loading_again_is_a_new_version(adapted, folders):
    first = load(adapted, "fresh", folders["law"])
    assert first["version"] == 1
    old = choices_of(complete(adapted, "fresh"))
    assert old == choices_of(complete(adapted, "law"))
    second = load(adapted, "fresh", folders["math"])
    assert second["version"] == 2 and second["fingerprint"] != first["fingerprint"]
    assert choices_of(complete(adapted, "fresh")) == choices_of(complete(adapted, "math")) != old
    assert adapted.metric("hone_adapter_version", adapter="fresh") == 2
    assert adapted.metric("hone_adapter_bytes", adapter="fresh") > 0
    adapted.post(UNLOAD, {"lora_name": "fresh"})
    assert adapted.metric("hone_adapter_version", adapter="fresh") == 0
    assert load(adapted, "fresh", folders["law"])["version"] == 3
    adapted.post(UNLOAD, {"lora_name": "fresh"})


@pytest.mark.parametrize("change", ["load", "unload"])
def test_a_stream_keeps_the_version_it_began_with(adapted, folders, change):
    fields = {"max_tokens": 4000, "extra_body": {"ignore_eos": True, "return_token_ids": True, "cache_salt": change}}
    load(adapted, "moving", folders["law"])
    with adapted.client() as client:
        def create(**more):
            return client.completions.create(model="moving", prompt="On and on", temperature=0, **(fields | more))
        alone = create()
        stream = create(stream=True)
        chunks = [next(stream)]
        if change == "load":
            assert load(adapted, "moving", folders["math"])["version"] == alone.hone["adapter"]["version"] + 1
            beside = create(max_tokens=20).choices[0].token_ids
            assert beside != alone.choices[0].token_ids[:20]
        else:
            adapted.post(UNLOAD, {"lora_name": "moving"})
            with pytest.raises(openai.NotFoundError):
                create()
        assert adapted.metric("vllm:num_requests_running") == 1, "the stream ended before the change"
        chunks += stream
    assert {chunk.system_fingerprint for chunk in chunks} == {alone.system_fingerprint}
    tokens = [token for chunk in chunks for choice in chunk.choices for token in choice.token_ids]
    assert tokens == alone.choices[0].token_ids
    assert chunks[-1].choices[-1].finish_reason == "length"
    if change == "load":
        adapted.post(UNLOAD, {"lora_name": "moving"})


def runs_of(choices):
    """[version, tokens] in a row, over the pieces of one choice."""
    runs = []
    for choice in choices:
        for run in choice.hone["adapter_versions"]:
            if runs and runs[-1][0] == run["version"]:
                runs[-1][1] += run["tokens"]
            else:
                runs.append([run["version"], run["tokens"]])
    return runs


def test_a_stream_that_follows_moves_to_the_new_version(adapted, folders):
    count = 4000
    fields = {"prompt": "On and on", "max_tokens": count, "temperature": 0, "logprobs": 0}
    extra = {"ignore_eos": True, "return_token_ids": True, "follow_adapter": True}
    with adapted.client() as client:
        for _ in range(10):  # on a busy machine a stream may be at its end before the change
            first = load(adapted, "led", folders["law"])
            stream = client.completions.create(model="led", **fields, stream=True, extra_body=extra)
            chunks = [next(stream)]
            second = load(adapted, "led", folders["math"])
            chunks += stream
            choices = [choice for chunk in chunks for choice in chunk.choices]
            if len(runs_of(choices)) > 1:
                break
        (one, before), (two, behind) = runs_of(choices)
        assert (one, two) == (first["version"], second["version"]) and before + behind == count
        assert chunks[0].hone["adapter"]["version"] == one
        assert chunks[0].system_fingerprint.endswith(first["fingerprint"])
        assert chunks[-1].system_fingerprint.endswith(second["fingerprint"])
        tokens = [token for choice in choices for token in choice.token_ids]
        logprobs = [value for choice in choices for value in choice.logprobs.token_logprobs]
        prompt = choices[0].prompt_token_ids
        # Each part is what its version says, given all the text before it.
        for name, given, part in (("law", prompt, slice(0, before)),
                                  ("math", prompt + tokens[:before], slice(before, count))):
            alone = client.completions.create(model=name, **(fields | {
                "prompt": given, "max_tokens": part.stop - part.start}), extra_body={
                    "ignore_eos": True, "return_token_ids": True, "cache_salt": "alone"}).choices[0]
            assert alone.token_ids == tokens[part]
            assert alone.logprobs.token_logprobs == logprobs[part]
    adapted.post(UNLOAD, {"lora_name": "led"})


def test_a_whole_answer_that_follows_tells_its_versions(adapted, folders):
    with ThreadPoolExecutor(1) as pool:
        for attempt in range(10):  # on a busy machine an answer may be at its end before the change
            load(adapted, "group", folders["law"])
            asked = pool.submit(complete, adapted, "group", n=2, max_tokens=4000, temperature=1, seed=1 + attempt,
                                extra_body={"ignore_eos": True, "follow_adapter": True})
            while not asked.done() and adapted.metric("vllm:num_requests_running") < 2:
                pass
            second = load(adapted, "group", folders["math"])
            answer = asked.result()
            if all(runs_of([choice])[-1][0] == second["version"] for choice in answer.choices):
                break
    for choice in answer.choices:
        assert sum(tokens for _, tokens in runs_of([choice])) == 4000
        assert runs_of([choice])[-1][0] == second["version"]
    assert answer.hone["adapter"]["version"] == second["version"]
    assert answer.system_fingerprint.endswith(second["fingerprint"])
    adapted.wait_until_idle()
    lines = [json.loads(line) for line in adapted.log.read_text().splitlines()]
    assert [line["adapter_version"] for line in lines if line.get("adapter") == "group"][-1] == second["version"]
    adapted.post(UNLOAD, {"lora_name": "group"})


def test_the_model_itself_cannot_be_followed(adapted):
    with pytest.raises(openai.BadRequestError) as failure:
        complete(adapted, MODEL.name, extra_body={"follow_adapter": True})
    assert failure.value.param == "follow_adapter"


def test_a_broken_folder_leaves_the_old_version(adapted, folders, tmp_path):
    load(adapted, "kept", folders["law"])
    before = choices_of(complete(adapted, "kept"))
    broken = write_adapter(tmp_path / "broken", MODEL, 1)
    data = (broken / "adapter_model.safetensors").read_bytes()
    (broken / "adapter_model.safetensors").write_bytes(data[:-8])
    dora = write_adapter(tmp_path / "dora", MODEL, 1, use_dora=True)
    for folder, told in ((broken, "adapter_model.safetensors"), (dora, "use_dora"), (tmp_path / "none", "none")):
        status, _, answer = adapted.request("POST", LOAD, {"lora_name": "kept", "lora_path": str(folder)})
        error = json.loads(answer)["error"]
        assert status == 400 and error["param"] == "lora_path" and told in error["message"]
    after = complete(adapted, "kept")
    assert choices_of(after) == before and after.hone["adapter"]["version"] == 1
    adapted.post(UNLOAD, {"lora_name": "kept"})


@pytest.mark.parametrize("path, body, status, param", [
    (LOAD, {"lora_name": "x"}, 400, "lora_path"),
    (LOAD, {"lora_path": "x"}, 400, "lora_name"),
    (LOAD, {"lora_name": 3, "lora_path": "x"}, 400, "lora_name"),
    (UNLOAD, {}, 400, "lora_name"),
    (UNLOAD, {"lora_name": "nobody"}, 404, "lora_name"),
])
def test_wrong_changes_are_refused(adapted, path, body, status, param):
    got, _, answer = adapted.request("POST", path, body)
    assert got == status and json.loads(answer)["error"]["param"] == param


def test_an_adapter_cannot_be_called_as_the_model_is(adapted, folders):
    for name in (MODEL.name, "", "a\nb"):
        body = {"lora_name": name, "lora_path": str(folders["law"])}
        assert adapted.request("POST", LOAD, body)[0] == 400


def test_the_request_log_has_the_version(adapted):
    complete(adapted, "law")
    complete(adapted, MODEL.name)
    adapted.wait_until_idle()
    lines = [json.loads(line) for line in adapted.log.read_text().splitlines()]
    pairs = [(line["adapter"], line["adapter_version"]) for line in lines if line["path"] == "/v1/completions"
             and "adapter" in line]
    assert ("law", 1) in pairs and (None, None) in pairs


def test_changes_need_the_flag(server, folders):
    for path in (LOAD, UNLOAD):
        status, _, answer = server.request("POST", path, {"lora_name": "x", "lora_path": str(folders["law"])})
        assert status == 404 and "--allow-adapter-updates" in json.loads(answer)["error"]["message"]


@pytest.mark.parametrize("flag, told", [
    ("law", "NAME=DIR"), ("=dir", "NAME=DIR"), ("law=", "NAME=DIR"),
    ("law=/nowhere/at/all", "/nowhere/at/all"), (f"{MODEL.name}=FOLDER", "name of the model itself"),
])
def test_wrong_flags_are_told(folders, flag, told):
    flag = flag.replace("FOLDER", str(folders["law"]))
    done = run_hone("serve", MODEL, "--port", 0, "--adapter", flag, *FLAGS)
    assert done.returncode == 1 and f"--adapter {flag}" in done.stderr and told in done.stderr


def test_score_takes_an_adapter(folders, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"ids": [5, 17, 42, 99, 3]}\n')
    said = {}
    for name, flags in (("base", []), ("law", ["--adapter", folders["law"]])):
        done = run_hone("score", MODEL, "--input", tmp_path / "in.jsonl", "--output", tmp_path / f"{name}.safetensors",
                        *flags)
        assert done.returncode == 0, done.stderr
        said[name] = re.search(r"perplexity (\S+);", done.stdout)[1]
    assert said["base"] != said["law"]
    done = run_hone("score", MODEL, "--input", tmp_path / "in.jsonl", "--output", tmp_path / "x", "--adapter", tmp_path)
    assert done.returncode == 1 and "--adapter" in done.stderr and "adapter_config.json" in done.stderr


def test_export_merges_and_converts(folders, tmp_path):
    done = run_hone("export", "--adapter", folders["law"], "--format", "tinker", "--to", tmp_path / "tinker")
    assert done.returncode == 0, done.stderr
    done = run_hone("export", "--adapter", tmp_path / "tinker", "--format", "peft", "--to", tmp_path / "peft")
    assert done.returncode == 0, done.stderr
    weights = "adapter_model.safetensors"
    assert read_safetensors(tmp_path / "peft" / weights) == read_safetensors(folders["law"] / weights)

    done = run_hone("export", MODEL, "--adapter", tmp_path / "tinker", "--to", tmp_path / "merged")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "merged").iterdir()}
    assert {"config.json", "tokenizer.json", "model.safetensors"} <= names
    done = run_hone("export", MODEL, "--adapter", tmp_path / "tinker", "--to", tmp_path / "merged")
    assert done.returncode == 1 and "merged" in done.stderr  # what is there stays
    (tmp_path / "in.jsonl").write_text('{"ids": [5, 17, 42, 99, 3]}\n')
    said = []
    for model, flags in ((MODEL, []), (MODEL, ["--adapter", folders["law"]]), (tmp_path / "merged", [])):
        done = run_hone("score", model, "--input", tmp_path / "in.jsonl", "--output", tmp_path / "out", *flags)
        assert done.returncode == 0, done.stderr
        said.append(math.log(float(re.search(r"perplexity (\S+);", done.stdout)[1])))
    assert abs(said[1] - said[2]) < 0.1 < abs(said[0] - said[1])


def test_wrong_exports_are_told(folders, tmp_path):
    to = ["--to", tmp_path / "out"]
    cases = [(["export", "--adapter", folders["law"], *to], "MODEL"),
             (["export", MODEL, "--adapter", folders["law"], "--format", "peft", *to], "--format"),
             (["export", MODEL, "--adapter", tmp_path, *to], "--adapter"),
             (["export", MODEL.parent / "qwen3", "--adapter", folders["law"], *to], "experts")]
    for arguments, told in cases:
        done = run_hone(*arguments)
        assert done.returncode == 1 and told in done.stderr, done.stderr
        assert not (tmp_path / "out").exists()
