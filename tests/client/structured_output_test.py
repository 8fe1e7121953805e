"""Answers whose form is given: whatever a random model says, it parses."""

import json
import re

import openai
import pytest
from answers import choices_of
from conftest import MODEL
from hone_server import HoneServer
from speaking_model import FIRST_ID

PERSON = {"type": "object", "additionalProperties": False, "required": ["name", "age", "tags"],
          "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 130},
                         "tags": {"type": "array", "items": {"enum": ["new", "old"]}, "maxItems": 3},
                         "friend": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}
MESSAGES = [{"role": "user", "content": "Who?"}]


def check_person(value):
    assert set(value) <= set(PERSON["properties"]) and set(PERSON["required"]) <= set(value)
    assert isinstance(value["name"], str) and len(value["name"]) <= 12
    assert isinstance(value["age"], int) and 0 <= value["age"] <= 130
    assert len(value["tags"]) <= 3 and set(value["tags"]) <= {"new", "old"}
    if value.get("friend"):
        check_person(value["friend"])


@pytest.fixture
def chat(client, model):
    def ask(extra=None, **fields):
        fields = {"max_tokens": 1500} | fields
        return client.chat.completions.create(model=model, messages=MESSAGES, extra_body=extra or {}, **fields)

    return ask


@pytest.fixture
def complete(client, model):
    def ask(extra=None, **fields):
        fields = {"max_tokens": 1500, "prompt": "It was"} | fields
        return client.completions.create(model=model, extra_body=extra or {}, **fields)

    return ask


def test_json_schema(chat):
    whole = 0
    for seed in range(12):
        answer = chat(seed=seed, response_format={
            "type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}}).choices[0]
        if answer.finish_reason == "stop":
            check_person(json.loads(answer.message.content))
            whole += 1
    assert whole >= 10


def test_json_object(chat):
    ended = 0
    for seed in range(6):
        # The names of a random model never end by themselves; the quotation mark and the brace are made likely.
        answer = chat(seed=seed, response_format={"type": "json_object"}, temperature=0.7,
                      logit_bias={"37": 8, "96": 8, "128": 8}).choices[0]
        if answer.finish_reason == "stop":
            assert isinstance(json.loads(answer.message.content), dict)
            ended += 1
        else:
            assert answer.message.content.startswith("{")
    assert ended > 0


@pytest.mark.parametrize("field", ["guided_{}", "structured_outputs"])
@pytest.mark.parametrize("form, value, matches", [
    ("regex", r"[a-c]{2,4}-\d+\.", r"[a-c]{2,4}-\d+\."),
    ("choice", ["yes", "no", "no idea"], "yes|no|no idea"),
    ("grammar", 'root ::= "x" root "y" | "-"', r"x*-y*"),
    ("json", {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 2}, None)])
def test_forms_on_both_endpoints(chat, complete, field, form, value, matches):
    extra = {"guided_" + form: value} if field != "structured_outputs" else {field: {form: value}}
    for seed in range(3):
        texts = [chat(extra, seed=seed).choices[0].message.content, complete(extra, seed=seed).choices[0].text]
        for text in texts:
            if matches:
                assert re.fullmatch(matches, text), text
            else:
                first, second = json.loads(text)
                assert isinstance(first, bool) and isinstance(second, bool)


def test_a_stream_is_the_whole_answer(complete):
    extra = {"guided_json": PERSON, "return_token_ids": True}
    fields = {"seed": 4, "temperature": 0.8}
    whole = complete(extra, **fields).choices[0]
    parts = [part.choices[0] for part in complete(extra, stream=True, **fields)]
    assert "".join(part.text for part in parts) == whole.text
    assert [token for part in parts for token in part.token_ids or []] == whole.token_ids


@pytest.fixture(scope="module")
def merging_server(tmp_path_factory):
    """The same model with tokens of several letters, so that there are many ways to cut a text."""
    folder = tmp_path_factory.mktemp("merging")
    for file in MODEL.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    tokenizer = json.loads((MODEL / "tokenizer.json").read_text())
    for word in ("name", "age", "tags", "new", "old", "friend"):
        for length in range(2, len(word) + 1):
            tokenizer["model"]["vocab"][word[:length]] = FIRST_ID + len(tokenizer["model"]["merges"])
            tokenizer["model"]["merges"].append(f"{word[:length - 1]} {word[length - 1]}")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with HoneServer(folder, "--threads", 1, "--kv-memory", "16M", "--name", "merging") as running:
        yield running


def test_log_probabilities_change_no_token(merging_server):
    """With log-probabilities every token is scored on its own; without, those that are forced are appended at once."""
    tokens = set()
    for seed in range(6):
        body = {"model": "merging", "prompt": "It was", "max_tokens": 300, "seed": seed, "guided_json": PERSON,
                "return_token_ids": True}
        plain = merging_server.post("/v1/completions", body)["choices"][0]
        scored = merging_server.post("/v1/completions", body | {"logprobs": 0})["choices"][0]
        assert plain["token_ids"] == scored["token_ids"]
        assert len(scored["logprobs"]["token_logprobs"]) == len(plain["token_ids"])
        tokens |= set(plain["token_ids"])
    assert max(tokens) >= FIRST_ID  # words were cut as the tokenizer cuts them


def test_an_answer_with_too_many_readings_ends_alone(server, complete):
    """The form compiles, but where it is read in more ways at once than are followed the request fails."""
    rules = ["root ::= " + " | ".join(f"r{i}" for i in range(1200))]
    rules += [f'r{i} ::= "x" (a | b) "{i}"' for i in range(1200)] + ['a ::= "p" | "pq"', 'b ::= "s"']
    with pytest.raises(openai.InternalServerError, match="too many ways"):
        complete({"guided_grammar": "\n".join(rules)})
    assert server.process.poll() is None
    assert complete({"guided_choice": ["yes"]}).choices[0].text == "yes"


def test_log_probabilities_before_and_after_the_mask(complete):
    answer = choices_of(complete({"guided_regex": "[ab]{20}", "return_token_ids": True}, logprobs=1, seed=1))[0]
    choice = complete({"guided_regex": "[ab]{20}"}, logprobs=1, seed=1).choices[0]
    raw, masked = choice.logprobs.token_logprobs, choice.hone["processed_logprobs"]
    assert len(raw) == len(masked) == len(answer.token_ids) and re.fullmatch("[ab]{20}", choice.text)
    for before, after in zip(raw, masked, strict=True):
        assert before < after <= 0


def test_choices_and_prompts_have_forms_of_their_own(complete):
    answers = complete({"guided_regex": "[a-z]{3,9}!"}, prompt=["a", "b"], n=3, seed=2).choices
    assert len(answers) == 6 and all(re.fullmatch("[a-z]{3,9}!", answer.text) for answer in answers)
    assert len({answer.text for answer in answers}) > 1


def test_min_tokens_and_ignore_eos_do_not_matter(complete):
    for extra in ({"min_tokens": 50}, {"ignore_eos": True}):
        answer = complete({"guided_choice": ["one", "two"]} | extra).choices[0]
        assert answer.text in ("one", "two") and answer.finish_reason == "stop"


@pytest.mark.parametrize("extra, param", [
    ({"guided_regex": "(?=a)"}, "guided_regex"), ({"guided_grammar": "root ::= other"}, "guided_grammar"),
    ({"guided_json": {"not": {}}}, "guided_json"), ({"guided_json": "{"}, "guided_json"),
    ({"structured_outputs": {"json": {"properties": {"a": {"uniqueItems": True}}}}}, "structured_outputs.json"),
    ({"guided_choice": []}, "guided_choice"), ({"guided_grammar": "root ::= <[99999]>"}, "guided_grammar")])
def test_mistakes_name_their_field(chat, complete, extra, param):
    for ask in (chat, complete):
        with pytest.raises(openai.BadRequestError) as refused:
            ask(extra)
        assert refused.value.param == param
    if param == "structured_outputs.json":
        assert "#/properties/a" in str(refused.value) and "uniqueItems" in str(refused.value)


def test_a_model_without_tokenizer_refuses(tmp_path_factory):
    with HoneServer("--shape", "tiny-moe", "--weights", "int4", "--threads", 1, "--kv-memory", "4M") as server:
        status, _, answer = server.request("POST", "/v1/completions", {"prompt": [5], "guided_regex": "a"})
        assert status == 400 and b"tokenizer" in answer
