"""Log-probabilities in the shapes of chat, completions and vLLM: complete, ordered, and the same numbers everywhere."""

import math

from answers import bits, choices_of

PROMPT = "The quick brown fox"
EXTRA = {"ignore_eos": True, "return_token_ids": True}


def test_chat_tells_every_token_with_its_bytes(client, model):
    choice = client.chat.completions.create(model=model, messages=[{"role": "user", "content": PROMPT}], max_tokens=20,
                                            logprobs=True, top_logprobs=5, seed=2, extra_body=EXTRA).choices[0]
    content = choice.logprobs.content
    assert len(content) == 20
    for entry in content:
        assert entry.logprob <= 0 and len(entry.top_logprobs) == 5
        values = [top.logprob for top in entry.top_logprobs]
        assert values == sorted(values, reverse=True) and sum(map(math.exp, values)) <= 1 + 1e-5
        if entry.bytes is not None:
            assert bytes(entry.bytes).decode(errors="replace") == entry.token
    assert any(entry.logprob < entry.top_logprobs[-1].logprob for entry in content), "sampling left the top 5 never"


def test_greedy_takes_the_likeliest(client, model):
    content = client.chat.completions.create(model=model, messages=[{"role": "user", "content": PROMPT}], max_tokens=20,
                                             temperature=0, logprobs=True, top_logprobs=2,
                                             extra_body=EXTRA).choices[0].logprobs.content
    assert all(entry.logprob == entry.top_logprobs[0].logprob for entry in content)
    assert all(entry.token == entry.top_logprobs[0].token for entry in content)


def test_logprobs_without_top_tell_the_chosen_only(client, model):
    content = client.chat.completions.create(model=model, messages=[{"role": "user", "content": PROMPT}], max_tokens=3,
                                             logprobs=True, extra_body=EXTRA).choices[0].logprobs.content
    assert len(content) == 3 and all(entry.top_logprobs == [] for entry in content)


def test_completions_tell_tokens_offsets_and_tops(client, model):
    choice = client.completions.create(model=model, prompt=PROMPT, max_tokens=12, logprobs=4, seed=8,
                                       extra_body=EXTRA).choices[0]
    logprobs = choice.logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.top_logprobs) == 12
    assert logprobs.text_offset[0] == 0 and logprobs.text_offset == sorted(logprobs.text_offset)
    for token, logprob, top in zip(logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs):
        assert token in top and 1 <= len(top) <= 5
        assert logprob <= max(top.values()) <= 0


def test_tokens_can_be_told_as_ids(client, model):
    choice = client.completions.create(model=model, prompt=PROMPT, max_tokens=6, logprobs=0,
                                       extra_body=EXTRA | {"return_tokens_as_token_ids": True}).choices[0]
    assert choice.logprobs.tokens == [f"token_id:{token}" for token in choice.token_ids]


def test_scoring_an_answer_gives_the_numbers_it_was_generated_with(client, server, model):
    """Decoded token by token or scored as a prompt in one pass: the same bits."""
    generated = choices_of(client.completions.create(model=model, prompt=PROMPT, max_tokens=90, logprobs=0, seed=5,
                                                     extra_body=EXTRA))[0]
    sequence = server.tokenize(PROMPT) + generated.token_ids
    scored = client.completions.create(model=model, prompt=sequence, max_tokens=0, echo=True, logprobs=0)
    assert [bits(value) for value in scored.choices[0].logprobs.token_logprobs][-90:] == generated.logprobs


def test_prompt_logprobs_have_ranks(client, server, model):
    answer = client.completions.create(model=model, prompt=PROMPT, max_tokens=1,
                                       extra_body={"prompt_logprobs": 3})
    told, tokens = answer.choices[0].prompt_logprobs, server.tokenize(PROMPT)
    assert len(told) == len(tokens) and told[0] is None
    echoed = client.completions.create(model=model, prompt=PROMPT, echo=True, max_tokens=0, logprobs=3)
    for position in range(1, len(tokens)):
        entries = told[position]
        chosen = entries[str(tokens[position])]
        assert bits(chosen["logprob"]) == bits(echoed.choices[0].logprobs.token_logprobs[position])
        by_rank = sorted(entries.values(), key=lambda entry: entry["rank"])
        assert [entry["rank"] for entry in by_rank[:3]] == [1, 2, 3]
        assert [entry["logprob"] for entry in by_rank] == sorted((entry["logprob"] for entry in by_rank), reverse=True)
        assert len(entries) == (3 if chosen["rank"] <= 3 else 4)


def test_chat_has_prompt_logprobs_too(client, server, model):
    messages = [{"role": "user", "content": PROMPT}]
    answer = client.chat.completions.create(model=model, messages=messages, max_tokens=1,
                                            extra_body={"prompt_logprobs": 0})
    tokens = server.post("/tokenize", {"messages": messages})["tokens"]
    scored = client.completions.create(model=model, prompt=tokens, echo=True, max_tokens=0, logprobs=0)
    told = [entry and bits(entry[str(token)]["logprob"]) for entry, token in zip(answer.prompt_logprobs, tokens)]
    assert told == [value if value is None else bits(value) for value in scored.choices[0].logprobs.token_logprobs]


def test_raw_logprobs_do_not_feel_the_temperature(client, model):
    def first(temperature):
        return choices_of(client.completions.create(model=model, prompt=PROMPT, max_tokens=1, logprobs=1,
                                                    temperature=temperature, extra_body=EXTRA | {"top_k": 1}))[0]

    choices = [first(temperature) for temperature in (0, 0.1, 1, 5)]
    assert len({tuple(choice.logprobs) for choice in choices}) == 1


def test_processed_logprobs_are_those_it_was_drawn_with(client, model):
    def first(**fields):
        return choices_of(client.completions.create(model=model, prompt=PROMPT, max_tokens=4, logprobs=0, seed=3,
                                                    extra_body=EXTRA, **fields))[0]

    assert first(temperature=1).processed == first(temperature=1).logprobs
    assert first(temperature=3).processed != first(temperature=3).logprobs
    assert all(float.fromhex(value) > -1e-3 for value in first(temperature=1e-3).processed), "near 0 all is certain"
