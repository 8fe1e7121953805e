"""Prompts that begin alike are computed once: usage says how many tokens were found, and no bit of the answer tells."""

import random

import pytest
from answers import choices_of
from conftest import MODEL
from hone_server import HoneServer

PAGE = 64  # tokens; whole pages are shared


@pytest.fixture
def prompt(vocabulary):
    """Makes prompts of given lengths that begin alike and that no other test has used."""
    draw = random.Random()
    tokens = [draw.randrange(3, vocabulary) for _ in range(1000)]
    return lambda length: tokens[:length]


@pytest.fixture
def ask(client, model):
    def complete(prompt, **fields):
        fields = {"max_tokens": 20, "seed": 1, "logprobs": 2} | fields
        extra = {"ignore_eos": True, "return_token_ids": True} | fields.pop("extra", {})
        answer = client.completions.create(model=model, prompt=prompt, extra_body=extra, **fields)
        return answer.usage.prompt_tokens_details.cached_tokens, choices_of(answer)

    return complete


@pytest.mark.parametrize("length", [PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 3 * PAGE + 10])
def test_a_repeated_prompt_is_found_in_whole_pages(ask, prompt, length):
    tokens = prompt(length)
    cold, first = ask(tokens)
    warm, second = ask(tokens)
    assert cold == 0
    assert warm == (length - 1) // PAGE * PAGE, "all whole pages, but at least one token is computed"
    assert first == second


def test_a_longer_prompt_finds_what_it_shares(ask, prompt):
    ask(prompt(200))
    assert ask(prompt(500))[0] == 3 * PAGE
    other = prompt(100) + prompt(400)
    assert ask(other)[0] == PAGE


def test_a_conversation_finds_its_earlier_turns(client, model):
    messages = [{"role": "user", "content": f"{random.random()} " + "An opening question of some length. " * 4}]

    def ask():
        return client.chat.completions.create(model=model, messages=messages, max_tokens=150, seed=2,
                                              extra_body={"ignore_eos": True})

    first = ask()
    assert first.usage.prompt_tokens_details.cached_tokens == 0 and first.usage.prompt_tokens > PAGE
    messages += [{"role": "assistant", "content": "An answer."}, {"role": "user", "content": "And then?"}]
    second = ask().usage
    assert second.prompt_tokens_details.cached_tokens >= (first.usage.prompt_tokens - 20) // PAGE * PAGE > 0


def test_streams_tell_cached_tokens(client, model, prompt):
    def usage():
        chunks = list(client.completions.create(model=model, prompt=prompt(150), max_tokens=2, stream=True,
                                                stream_options={"include_usage": True}))
        return chunks[-1].usage.prompt_tokens_details.cached_tokens

    assert [usage(), usage()] == [0, 2 * PAGE]


def test_generated_tokens_are_found_too(ask, prompt):
    _, choices = ask(prompt(100), max_tokens=100)
    cached, _ = ask(prompt(100) + choices[0].token_ids[:90])
    assert cached == 2 * PAGE


def test_prompt_logprobs_are_the_same_for_a_cached_prompt(client, model, prompt):
    def told():
        answer = client.completions.create(model=model, prompt=prompt(300), max_tokens=1, seed=1,
                                           extra_body={"prompt_logprobs": 1})
        return answer.choices[0].prompt_logprobs

    first = told()
    assert len(first) == 300 and told() == first


def test_hits_are_counted(server, ask, prompt):
    before = server.metric("vllm:prefix_cache_hits_total")
    ask(prompt(130))
    ask(prompt(130))
    assert server.metric("vllm:prefix_cache_hits_total") == before + 2 * PAGE
    assert server.metric("hone_kv_pages_cached") > 0


def test_the_cache_can_be_switched_off(prompt):
    with HoneServer(MODEL, "--threads", 1, "--kv-memory", "4M", "--no-prefix-cache") as server:
        for _ in range(2):
            answer = server.post("/v1/completions", {"prompt": prompt(200), "max_tokens": 2})
            assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
        assert server.metric("hone_kv_pages_cached") == 0


def test_a_full_cache_makes_room(prompt, vocabulary):
    """Many different prompts through a cache of a few pages: the oldest go, and answers stay the same."""
    draw = random.Random(5)
    prompts = [[draw.randrange(3, vocabulary) for _ in range(300)] for _ in range(20)]
    with HoneServer(MODEL, "--threads", 1, "--kv-memory", "1M", "--max-context", 512) as server:
        def ask(tokens):
            answer = server.post("/v1/completions", {"prompt": tokens, "max_tokens": 8, "seed": 1, "logprobs": 1})
            return answer["choices"][0]["logprobs"], answer["usage"]["prompt_tokens_details"]["cached_tokens"]

        assert server.metric("hone_kv_pages_total") < 20 * 4
        first = [ask(tokens)[0] for tokens in prompts]
        again = [ask(tokens) for tokens in prompts]
        assert [logprobs for logprobs, _ in again] == first
        assert again[0][1] == 0, "the oldest prompt had to go"
        assert ask(prompts[-1])[1] == 4 * PAGE
