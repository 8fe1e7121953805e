"""Prompts that begin alike are computed once: usage says how many tokens were found, and no bit of the answer tells."""

import random

import pytest
from answers import choices_of
from conftest import MODEL
from hone_server import HoneServer

PAGE = 64  # tokens; whole pages are shared, parts of them copied


@pytest.fixture
def prompt(vocabulary):
    """Makes prompts of given lengths that begin alike."""
    draw = random.Random()
    tokens = [draw.randrange(3, vocabulary) for _ in range(1000)]
    return lambda length: tokens[:length]


@pytest.fixture
def ask(client, model):
    """Completions that find what the same test computed and nothing else: one token alike would be a hit."""
    salt = str(random.random())

    def complete(prompt, **fields):
        fields = {"max_tokens": 20, "seed": 1, "logprobs": 2} | fields
        extra = {"ignore_eos": True, "return_token_ids": True, "cache_salt": salt} | fields.pop("extra", {})
        answer = client.completions.create(model=model, prompt=prompt, extra_body=extra, **fields)
        return answer.usage.prompt_tokens_details.cached_tokens, choices_of(answer)

    return complete


@pytest.mark.parametrize("length", [PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 3 * PAGE + 10])
def test_a_repeated_prompt_is_found_but_for_its_last_token(ask, prompt, length):
    tokens = prompt(length)
    cold, first = ask(tokens)
    warm, second = ask(tokens)
    assert cold == 0
    assert warm == length - 1, "at least one token is computed"
    assert first == second


def test_a_longer_prompt_finds_what_it_shares(ask, prompt):
    ask(prompt(200))
    assert ask(prompt(500))[0] == 200
    tokens = prompt(100)
    other = tokens + [3 + (prompt(101)[100] == 3)] + prompt(400)
    assert ask(other)[0] == 100


def test_a_conversation_finds_its_earlier_turns(client, model):
    messages = [{"role": "user", "content": "An opening question of some length. " * 4}]
    extra = {"ignore_eos": True, "cache_salt": str(random.random())}

    def ask():
        return client.chat.completions.create(model=model, messages=messages, max_tokens=150, seed=2, extra_body=extra)

    first = ask()
    assert first.usage.prompt_tokens_details.cached_tokens == 0 and first.usage.prompt_tokens > PAGE
    messages += [{"role": "assistant", "content": "An answer."}, {"role": "user", "content": "And then?"}]
    second = ask().usage
    assert second.prompt_tokens_details.cached_tokens >= first.usage.prompt_tokens - 20 > PAGE


def test_an_agent_computes_what_is_new_in_each_turn(ask, prompt, vocabulary):
    """Each turn sends everything so far, what was generated too, and some tokens more."""
    draw = random.Random(7)
    conversation, known = prompt(150), 0
    for turn in range(8):
        cached, choices = ask(conversation, max_tokens=30)
        assert cached == known, f"turn {turn}"
        conversation = conversation + choices[0].token_ids
        known = len(conversation) - 1  # the last token was drawn, but nothing was computed from it
        conversation = conversation + [draw.randrange(3, vocabulary) for _ in range(draw.choice([1, 20, 64, 90]))]


def test_choices_share_their_prompt(server, ask, prompt):
    before = server.metric("vllm:prefix_cache_hits_total")
    ask(prompt(100), max_tokens=4, n=3)
    assert server.metric("vllm:prefix_cache_hits_total") == before + 2 * 99


def test_salts_share_with_themselves_only(ask, prompt):
    def cached(salt):
        return ask(prompt(150), extra={"cache_salt": salt} if salt else {})

    answers = [cached(salt) for salt in [None, "ann", "bob", None, "ann", "bob"]]
    assert [hits for hits, _ in answers] == [0, 0, 0, 149, 149, 149]
    assert all(choices == answers[0][1] for _, choices in answers)


@pytest.mark.parametrize("salt", ["", 5, "x" * 257])
def test_salts_that_are_none_are_refused(server, salt):
    status, _, body = server.request("POST", "/v1/completions", {"prompt": "x", "cache_salt": salt})
    assert status == 400 and b'"param":"cache_salt"' in body


def test_streams_tell_cached_tokens(client, model, prompt):
    salt = str(random.random())  # as for `ask`

    def usage():
        chunks = list(client.completions.create(model=model, prompt=prompt(150), max_tokens=2, stream=True,
                                                stream_options={"include_usage": True},
                                                extra_body={"cache_salt": salt}))
        return chunks[-1].usage.prompt_tokens_details.cached_tokens

    assert [usage(), usage()] == [0, 149]


def test_generated_tokens_are_found_too(ask, prompt):
    _, choices = ask(prompt(100), max_tokens=100)
    cached, _ = ask(prompt(100) + choices[0].token_ids[:90])
    assert cached == 189


def test_prompt_logprobs_are_the_same_for_a_cached_prompt(client, model, prompt):
    def told():
        answer = client.completions.create(model=model, prompt=prompt(300), max_tokens=1, seed=1,
                                           extra_body={"prompt_logprobs": 1})
        return answer.choices[0].prompt_logprobs

    first = told()
    assert len(first) == 300 and told() == first


def test_hits_are_counted(server, ask, prompt):
    names = ["vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"]
    before = [server.metric(name) for name in names]
    ask(prompt(130))
    ask(prompt(130))
    assert [server.metric(name) - old for name, old in zip(names, before)] == [129, 260]
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

        assert server.metric("hone_kv_pages_total") < 20 * 4 and server.metric("hone_prefix_cache_evicted_pages_total") == 0
        first = [ask(tokens)[0] for tokens in prompts]
        again = [ask(tokens) for tokens in prompts]
        assert [logprobs for logprobs, _ in again] == first
        assert again[0][1] == 0, "the oldest prompt had to go"
        assert ask(prompts[-1])[1] == 299
        assert server.metric("hone_prefix_cache_evicted_pages_total") > 40
