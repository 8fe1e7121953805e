"""Why answers end: length, stop strings, stop ids, the end-of-sequence token, and what of it is in the text."""

import json

import pytest
from answers import choices_of
from conftest import MODEL

PROMPT = "Count: one, two,"
EXTRA = {"ignore_eos": True, "return_token_ids": True}


@pytest.fixture
def ask(client, server, model):
    """A completion of random small letters, always the same ones."""
    small = {str(server.tokenize(letter)[0]): 100 for letter in "abcdefghijklmnopqrstuvwxyz"}

    def complete(extra=EXTRA, **fields):
        fields = {"prompt": PROMPT, "max_tokens": 60, "seed": 1, "logit_bias": small} | fields
        return client.completions.create(model=model, extra_body=extra, **fields)

    return complete


@pytest.fixture
def letters(server):
    """A bias that makes every token an 'a', and a 'b' where that is forbidden."""
    a, b = server.tokenize("a")[0], server.tokenize("b")[0]
    return {str(a): 100, str(b): 70}


def test_a_stop_string_is_cut_off(ask):
    free = ask().choices[0]
    stop = free.text[20:23]
    assert stop.isalpha() and stop.islower()
    stopped = ask(stop=stop).choices[0]
    assert stopped.text == free.text[:free.text.index(stop)]
    assert stopped.finish_reason == "stop" and stopped.stop_reason == stop
    assert free.finish_reason == "length" and free.stop_reason is None


def test_the_first_of_several_stop_strings_counts(ask):
    text = ask().choices[0].text
    early, late = text[10:14], text[30:34]
    stopped = ask(stop=[late, "never to be seen", early]).choices[0]
    assert stopped.text == text[:min(text.index(early), text.index(late))]


def test_a_stop_string_can_stay(ask):
    text = ask().choices[0].text
    stop = text[20:23]
    kept = ask(extra=EXTRA | {"include_stop_str_in_output": True}, stop=stop).choices[0]
    assert kept.text == text[:text.index(stop)] + stop


@pytest.mark.parametrize("stop", ["aa", "aaa", ["aab", "aaaaa"]])
def test_stop_strings_cross_token_borders(ask, letters, stop):
    free = ask(logit_bias=letters, max_tokens=12)
    assert free.choices[0].text == "a" * 12
    stopped = ask(logit_bias=letters, stop=stop, max_tokens=12)
    assert stopped.choices[0].text == "" and stopped.choices[0].finish_reason == "stop"
    length = 5 if isinstance(stop, list) else len(stop)
    assert stopped.usage.completion_tokens == length


def test_streams_hold_back_what_may_become_a_stop_string(ask, letters):
    chunks = list(ask(logit_bias=letters, stop="aaaaaaab", max_tokens=20, stream=True))
    text = "".join(chunk.choices[0].text for chunk in chunks)
    assert text == "a" * 20
    assert not any(len(chunk.choices[0].text) > 8 for chunk in chunks)
    stopped = "".join(chunk.choices[0].text for chunk in ask(logit_bias=letters, stop="aaaa", stream=True))
    assert stopped == ""


def test_stop_token_ids_end_an_answer(ask, server, letters):
    token = server.tokenize("a")[0]
    stopped = ask(extra=EXTRA | {"stop_token_ids": [token]}, logit_bias=letters).choices[0]
    assert stopped.finish_reason == "stop" and stopped.stop_reason == token
    assert stopped.token_ids == [token] and stopped.text == ""


def test_min_tokens_holds_stop_ids_off(ask, server, letters):
    a, b = server.tokenize("ab")
    held = ask(extra=EXTRA | {"stop_token_ids": [a], "min_tokens": 5}, logit_bias=letters).choices[0]
    assert held.token_ids == [b] * 5 + [a] and held.text == "b" * 5


def end_ids():
    """What the model's own files call the end of a sequence."""
    given = json.loads((MODEL / "config.json").read_text())["eos_token_id"]
    named = json.loads((MODEL / "tokenizer_config.json").read_text())["eos_token"]
    added = json.loads((MODEL / "tokenizer.json").read_text())["added_tokens"]
    return {*(given if isinstance(given, list) else [given]), *(t["id"] for t in added if t["content"] == named)}


def test_the_end_of_sequence_token_ends_an_answer_unless_ignored(client, model):
    def sample(ignore_eos):
        answer = client.completions.create(model=model, prompt=PROMPT, max_tokens=3000, seed=1, temperature=3,
                                           extra_body={"ignore_eos": ignore_eos, "return_token_ids": True})
        return choices_of(answer)[0]

    natural, ignoring = sample(False), sample(True)
    length = len(natural.token_ids)
    assert natural.finish_reason == "stop" and length < 3000
    assert natural.token_ids[-1] in end_ids() and not end_ids() & set(natural.token_ids[:-1])
    assert ignoring.finish_reason == "length" and len(ignoring.token_ids) == 3000
    assert ignoring.token_ids[:length] == natural.token_ids


def test_an_answer_fills_the_context_and_no_more(client, server, model):
    limit = client.models.retrieve(model).max_model_len
    prompt = server.tokenize("x") * (limit - 3)
    filled = client.completions.create(model=model, prompt=prompt, max_tokens=3, extra_body=EXTRA)
    assert filled.usage.total_tokens == limit and filled.choices[0].finish_reason == "length"


def test_chat_ends_with_the_context(client, model):
    """Without a limit of its own an answer takes the room that is left."""
    limit = client.models.retrieve(model).max_model_len
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "x" * (limit - 60)}],
                                            extra_body=EXTRA)
    assert answer.usage.total_tokens == limit and answer.choices[0].finish_reason == "length"
