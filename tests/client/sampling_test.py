"""What a request's sampling fields do to the tokens, OpenAI's and vLLM's."""

import pytest
from answers import choices_of

PROMPT = "It was a dark"


@pytest.fixture
def sample(client, model):
    """The one choice of a completion; fields that OpenAI does not know go where users put them."""
    extra_fields = {"top_k", "min_p", "repetition_penalty", "min_tokens"}

    def ask(**fields):
        extra = {"ignore_eos": True, "return_token_ids": True}
        extra |= {name: fields.pop(name) for name in extra_fields & fields.keys()}
        fields = {"prompt": PROMPT, "max_tokens": 24, "logprobs": 1} | fields
        return choices_of(client.completions.create(model=model, extra_body=extra, **fields))[0]

    return ask


def test_the_seed_decides(sample):
    assert sample(seed=1) == sample(seed=1)
    assert len({tuple(sample(seed=seed).token_ids) for seed in range(5)}) == 5
    assert sample(seed=-(2**63)) == sample(seed=-(2**63)) != sample(seed=2**63 - 1)


def test_without_a_seed_answers_differ(sample):
    assert sample().token_ids != sample().token_ids


@pytest.mark.parametrize("fields", [{"top_k": 1}, {"min_p": 1.0}, {"top_p": 1e-6}, {"temperature": 1e-4}],
                         ids=lambda fields: next(iter(fields)))
def test_the_narrowest_cuts_are_greedy(sample, fields):
    greedy = sample(temperature=0)
    assert sample(seed=9, **({"temperature": 1.5} | fields)).token_ids == greedy.token_ids
    assert sample(seed=9, temperature=1.5).token_ids != greedy.token_ids


def test_top_k_leaves_k_tokens(client, model):
    choice = client.chat.completions.create(model=model, messages=[{"role": "user", "content": PROMPT}], max_tokens=60,
                                            temperature=2, logprobs=True, top_logprobs=3, seed=0,
                                            extra_body={"top_k": 3, "ignore_eos": True}).choices[0]
    ranks = [[top.logprob for top in entry.top_logprobs].index(entry.logprob) for entry in choice.logprobs.content]
    assert set(ranks) == {0, 1, 2}


def test_logit_bias_forces_and_forbids(sample, server):
    token = server.tokenize("q")[0]
    assert sample(logit_bias={str(token): 100}, temperature=0).token_ids == [token] * 24
    greedy = sample(temperature=0)
    best = greedy.token_ids[0]
    without = sample(temperature=0, logit_bias={str(best): -100})
    assert best not in without.token_ids
    assert greedy.top[0].items() <= without.top[0].items(), "raw log-probabilities know no bias"


def test_repetition_penalty_avoids_prompt_and_answer(sample, server):
    free = sample(temperature=0, max_tokens=100).token_ids
    assert len(set(free)) < 100
    penalised = sample(temperature=0, max_tokens=20, repetition_penalty=100.0).token_ids
    assert len(set(penalised)) == 20 and not set(penalised) & set(server.tokenize(PROMPT))


def test_frequency_penalty_wears_a_token_out(sample, server):
    token = server.tokenize("q")[0]
    fields = {"logit_bias": {str(token): 100}, "temperature": 0, "max_tokens": 80}
    assert set(sample(**fields).token_ids) == {token}
    worn = sample(frequency_penalty=2, **fields).token_ids
    assert worn[0] == token and 30 < worn.count(token) < 60


def test_presence_penalty_takes_from_what_was_said(sample):
    penalised = sample(presence_penalty=2, max_tokens=2, seed=6)
    assert penalised.token_ids[0] != penalised.token_ids[1]
    assert penalised.processed[0] == penalised.logprobs[0], "nothing was said before the first token"
    assert float.fromhex(penalised.processed[1]) > float.fromhex(penalised.logprobs[1]), "the others gain"


def test_a_hot_model_is_nearly_uniform(sample):
    assert len(set(sample(temperature=100, max_tokens=200, seed=3).token_ids)) > 80


def test_defaults_can_be_null(sample):
    fields = {name: None for name in ("temperature", "top_p", "n", "stop", "logit_bias", "presence_penalty")}
    assert sample(seed=1, **fields) == sample(seed=1)
