"""/v1/completions as the openai package asks for it: prompts of every shape, several choices, echo, usage."""

import pytest
from answers import choices_of

PROMPT = "Once upon a time"


def test_answers_with_text(client, server, model):
    answer = client.completions.create(model=model, prompt=PROMPT, max_tokens=12, extra_body={"ignore_eos": True})
    assert answer.object == "text_completion" and answer.id.startswith("cmpl-") and answer.model == model
    assert answer.choices[0].finish_reason == "length" and answer.choices[0].logprobs is None
    assert answer.usage.completion_tokens == 12
    assert answer.usage.prompt_tokens == len(server.tokenize(PROMPT))
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 12


def test_generates_16_tokens_unless_told_otherwise(client, model):
    answer = client.completions.create(model=model, prompt=PROMPT, extra_body={"ignore_eos": True})
    assert answer.usage.completion_tokens == 16


def greedy(client, model, prompt, **fields):
    answer = client.completions.create(model=model, prompt=prompt, max_tokens=8, temperature=0, logprobs=1,
                                       extra_body={"return_token_ids": True, "ignore_eos": True}, **fields)
    return choices_of(answer)


def test_token_ids_are_a_prompt_as_their_text_is(client, server, model):
    assert greedy(client, model, server.tokenize(PROMPT)) == greedy(client, model, PROMPT)


def test_a_batch_answers_each_prompt_as_if_alone(client, server, model):
    texts = [PROMPT, "x", "A longer prompt, with an umlaut: ü"]
    alone = [greedy(client, model, text)[0] for text in texts]
    assert greedy(client, model, texts) == alone
    assert greedy(client, model, [server.tokenize(text) for text in texts]) == alone
    assert len({tuple(choice.token_ids) for choice in alone}) > 1


def test_choices_of_a_batch_are_counted_prompt_by_prompt(client, model):
    def sample(prompt):
        answer = client.completions.create(model=model, prompt=prompt, n=2, seed=5, max_tokens=10,
                                           extra_body={"return_token_ids": True, "ignore_eos": True})
        return answer.usage, choices_of(answer)

    usage, both = sample(["one", "three"])
    assert len(both) == 4 and usage.completion_tokens == 40
    assert both == sample("one")[1] + sample("three")[1]


def test_choices_differ_and_are_reproducible(client, model):
    def sample(seed):
        return choices_of(client.completions.create(model=model, prompt=PROMPT, n=3, seed=seed, max_tokens=16,
                                                    extra_body={"return_token_ids": True, "ignore_eos": True}))

    first = sample(11)
    assert len({tuple(choice.token_ids) for choice in first}) == 3
    assert sample(11) == first
    assert sample(12) != first


def test_echo_puts_the_prompt_first(client, server, model):
    def text(prompt, echo):
        answer = client.completions.create(model=model, prompt=prompt, echo=echo, temperature=0, max_tokens=6,
                                           extra_body={"ignore_eos": True})
        return answer.choices[0].text

    prompt = "Zażółć gęślą jaźń ☃ 🙂"
    assert text(prompt, True) == prompt + text(prompt, False)
    assert text(server.tokenize(prompt), True) == text(prompt, True)


def test_echo_without_new_tokens_scores_the_prompt(client, server, model):
    answer = client.completions.create(model=model, prompt=PROMPT, echo=True, max_tokens=0, logprobs=2)
    tokens = server.tokenize(PROMPT)
    assert answer.choices[0].text == PROMPT and answer.usage.completion_tokens == 0
    logprobs = answer.choices[0].logprobs
    assert "".join(logprobs.tokens) == PROMPT and len(logprobs.tokens) == len(tokens)
    assert logprobs.token_logprobs[0] is None and all(value < 0 for value in logprobs.token_logprobs[1:])
    assert [PROMPT[start:start + len(token)] for start, token in zip(logprobs.text_offset, logprobs.tokens)] \
        == logprobs.tokens


def test_offsets_count_characters_and_not_bytes(client, model):
    prompt = "ü a ☃ b 🙂 c"
    logprobs = client.completions.create(model=model, prompt=prompt, echo=True, max_tokens=0,
                                         logprobs=0).choices[0].logprobs
    places = {token.strip(): offset + token.index(token.strip())
              for offset, token in zip(logprobs.text_offset, logprobs.tokens) if token.strip() in ("a", "b", "c")}
    assert places == {letter: prompt.index(letter) for letter in "abc"}


def test_token_ids_are_told_if_asked_for(client, server, model):
    answer = client.completions.create(model=model, prompt=PROMPT, max_tokens=5,
                                       extra_body={"return_token_ids": True, "ignore_eos": True})
    choice = answer.choices[0]
    assert choice.prompt_token_ids == server.tokenize(PROMPT)
    assert len(choice.token_ids) == 5
    decoded = server.post("/detokenize", {"tokens": choice.token_ids, "skip_special_tokens": True})
    assert decoded["prompt"] == choice.text


def test_models_are_listed(client, model):
    listed = client.models.list().data
    assert [entry.id for entry in listed] == [model]
    assert client.models.retrieve(model).id == model
    assert listed[0].max_model_len > 0


@pytest.mark.parametrize("max_tokens", [1, 2, 65, 300])
def test_max_tokens_is_exact(client, model, max_tokens):
    answer = client.completions.create(model=model, prompt=PROMPT, max_tokens=max_tokens,
                                       extra_body={"ignore_eos": True, "return_token_ids": True})
    assert answer.usage.completion_tokens == len(answer.choices[0].token_ids) == max_tokens
    assert answer.choices[0].finish_reason == "length"
