"""Streams: the chunks that the openai package reads add up to the whole answer, to the bit, in both APIs."""

import asyncio
import json

import openai
import pytest
from answers import choices_of

MESSAGES = [{"role": "user", "content": "Tell me a story."}]
EXTRA = {"ignore_eos": True, "return_token_ids": True}


def completion(client, model, **fields):
    fields = {"prompt": "Tell me a story.", "seed": 4, "max_tokens": 40, "logprobs": 3, "extra_body": EXTRA} | fields
    return client.completions.create(model=model, **fields)


def chat(client, model, **fields):
    fields = {"messages": MESSAGES, "seed": 4, "max_completion_tokens": 40, "logprobs": True, "top_logprobs": 3,
              "extra_body": EXTRA} | fields
    return client.chat.completions.create(model=model, **fields)


BOTH = pytest.mark.parametrize("ask", [completion, chat])


@BOTH
@pytest.mark.parametrize("fields", [{}, {"n": 3}, {"temperature": 0}, {"extra_body": {"return_token_ids": True}}],
                         ids=["sampled", "choices", "greedy", "with end"])
def test_chunks_add_up_to_the_whole_answer(ask, client, model, fields):
    whole = choices_of(ask(client, model, **fields))
    streamed = choices_of(ask(client, model, stream=True, **fields))
    assert streamed == whole
    assert all(len(choice.logprobs) == len(choice.token_ids) > 0 for choice in whole)


def test_echoed_streams_begin_with_the_prompt(client, model):
    prompt = "naïve ☃ 🙂"
    whole = choices_of(completion(client, model, prompt=prompt, echo=True))
    streamed = choices_of(completion(client, model, prompt=prompt, echo=True, stream=True))
    assert streamed == whole and whole[0].text.startswith(prompt)


def test_a_batch_of_prompts_streams_every_choice(client, model):
    prompts = ["one", "two", "three"]
    whole = choices_of(completion(client, model, prompt=prompts, n=2))
    streamed = choices_of(completion(client, model, prompt=prompts, n=2, stream=True))
    assert len(whole) == 6 and streamed == whole


@BOTH
def test_text_comes_as_it_is_generated(ask, client, model):
    chunks = list(ask(client, model, stream=True, logprobs=None, **({"top_logprobs": None} if ask is chat else {})))
    with_text = [chunk for chunk in chunks if chunk.choices and
                 (chunk.choices[0].delta.content if ask is chat else chunk.choices[0].text)]
    assert len(with_text) > 5, "40 tokens came in a few pieces"
    assert len({chunk.id for chunk in chunks}) == 1 and {chunk.model for chunk in chunks} == {model}
    assert [bool(chunk.choices[0].finish_reason) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_the_role_comes_first_and_once(client, model):
    roles = [(part.index, part.delta.role) for chunk in chat(client, model, stream=True, n=2) for part in chunk.choices]
    for index in range(2):
        of_choice = [role for i, role in roles if i == index]
        assert of_choice == ["assistant"] + [None] * (len(of_choice) - 1)


@BOTH
def test_usage_comes_last_if_asked_for(ask, client, model):
    whole = ask(client, model)
    chunks = list(ask(client, model, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == [] and all(chunk.choices and chunk.usage is None for chunk in chunks[:-1])
    for field in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert getattr(chunks[-1].usage, field) == getattr(whole.usage, field) > 0


@BOTH
def test_no_usage_unless_asked_for(ask, client, model):
    chunks = list(ask(client, model, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_continuous_usage_counts_up(client, model):
    chunks = list(completion(client, model, stream=True,
                             stream_options={"include_usage": True, "continuous_usage_stats": True}))
    counts = [chunk.usage.completion_tokens for chunk in chunks]
    assert counts == sorted(counts) and counts[0] < counts[-1] == 40


def test_the_wire_is_server_sent_events(server, model):
    body = {"model": model, "prompt": "x", "max_tokens": 3, "stream": True, "ignore_eos": True}
    status, headers, answer = server.request("POST", "/v1/completions", body)
    assert status == 200 and headers["Content-Type"].startswith("text/event-stream")
    events = answer.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(json.loads(event.removeprefix("data: "))["object"] == "text_completion" for event in events[:-2])


def test_the_stream_helper_of_the_package(client, model, vocabulary):
    extra = EXTRA | {"stop_token_ids": list(range(vocabulary // 2)), "min_tokens": 20}
    with client.chat.completions.stream(model=model, messages=MESSAGES, seed=4, extra_body=extra) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion().choices[0]
    assert "".join(deltas) == final.message.content and final.finish_reason == "stop"
    whole = chat(client, model, max_completion_tokens=None, extra_body=extra).choices[0]
    assert whole.message.content == final.message.content


def test_async_streams_run_side_by_side(server, client, model):
    async def read(connected, seed):
        stream = await connected.chat.completions.create(model=model, messages=MESSAGES, seed=seed, max_tokens=30,
                                                         stream=True, extra_body=EXTRA)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def read_all():
        async with openai.AsyncOpenAI(base_url=client.base_url, api_key="none", max_retries=0) as connected:
            return await asyncio.gather(*(read(connected, seed) for seed in range(6)))

    alone = [chat(client, model, seed=seed, max_completion_tokens=30).choices[0].message.content for seed in range(6)]
    assert asyncio.run(read_all()) == alone and len(set(alone)) == 6
