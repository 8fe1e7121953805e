"""Tools and reasoning as the openai package asks for them, of a model that says an answer in given pieces."""

import json

import openai
import pytest
from hone_server import HoneServer
from speaking_model import FIRST_ID, make_speaking_model

PIECES = ["<think>\nRain", " or sun?\n</think>\n\n", "Looking.\n", '<tool_call>\n{"name": "get_weather", "argum',
          'ents": {"city": "Zürich"}}\n</tool_call>', '\n<tool_call>\n{"name": "ping"}\n</tool_call>', "END"]
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}},
         {"type": "function", "function": {"name": "ping"}}]
TEMPLATE = """{%- for tool in tools or [] %}{{ '<tool_call>' + tool.function.name }}{% endfor -%}
{%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}
{%- if m.reasoning_content %}{{ '<think>' + m.reasoning_content + '</think>' }}{% endif -%}
{{- m.content or '' }}
{%- for call in m.tool_calls or [] %}{{ call.id + call.function.name + call.function.arguments.city }}{% endfor -%}
{{- '<|im_end|>' }}{% endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif -%}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("speaking")
    make_speaking_model(path, PIECES, TEMPLATE)
    return path


@pytest.fixture(scope="module")
def speaking(folder):
    with HoneServer(folder, "--threads", 1, "--kv-memory", "16M", "--name", "speaker") as running:
        yield running


def fields_for(pieces):
    """What a request needs to make the model say these pieces, the last of which ends the answer."""
    banned = set(range(len(PIECES))) - set(pieces)
    return {"model": "speaker", "messages": [{"role": "user", "content": "How is it?"}], "tools": TOOLS,
            "temperature": 0, "logit_bias": {str(FIRST_ID + piece): -100 for piece in banned},
            "extra_body": {"stop_token_ids": [FIRST_ID + pieces[-1]]}}


def ask(server, pieces=range(len(PIECES)), extra=None, **fields):
    request = fields_for(pieces) | fields
    request["extra_body"] |= extra or {}
    return server.client().chat.completions.create(**request)


def test_calls_are_what_the_package_expects(speaking):
    assert "qwen3" in speaking.output
    answer = ask(speaking)
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content == "Looking."
    weather, ping = choice.message.tool_calls
    assert weather.type == "function" and weather.function.name == "get_weather"
    assert json.loads(weather.function.arguments) == {"city": "Zürich"}
    assert ping.function.name == "ping" and json.loads(ping.function.arguments) == {}
    assert weather.id.startswith("call_") and weather.id != ping.id
    assert choice.message.reasoning_content == choice.message.reasoning == "Rain or sun?"
    assert answer.usage.completion_tokens == len(PIECES)


def test_streams_add_up_in_the_package(speaking):
    with speaking.client() as client, client.chat.completions.stream(**fields_for(range(len(PIECES)))) as stream:
        events, final = list(stream), stream.get_final_completion()
    message = final.choices[0].message
    assert final.choices[0].finish_reason == "tool_calls" and message.content == "Looking."
    assert [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls] == [
        ("get_weather", {"city": "Zürich"}), ("ping", {})]
    deltas = [event.chunk.choices[0].delta for event in events if event.type == "chunk" and event.chunk.choices]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "Rain or sun?"
    assert "".join(getattr(delta, "reasoning", None) or "" for delta in deltas) == "Rain or sun?"
    names = [event.name for event in events if event.type == "tool_calls.function.arguments.done"]
    assert names == ["get_weather", "ping"]


def test_the_answer_goes_into_the_next_turn(speaking):
    def prompt_of(**fields):
        ids = ask(speaking, max_tokens=1, extra={"return_token_ids": True}, **fields).prompt_token_ids
        return speaking.post("/detokenize", {"tokens": ids})["prompt"]

    message = ask(speaking, pieces=[0, 1, 2, 3, 4, 6]).choices[0].message
    call = message.tool_calls[0]
    messages = [{"role": "user", "content": "How is it?"}, message.model_dump(exclude_none=True),
                {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}]
    prompt = prompt_of(messages=messages)
    assert "Rain or sun?</think>Looking." in prompt and f"{call.id}get_weatherZürich" in prompt
    assert "12 degrees" in prompt


def test_one_call_at_a_time(speaking):
    answer = ask(speaking, parallel_tool_calls=False)
    assert [call.function.name for call in answer.choices[0].message.tool_calls] == ["get_weather"]
    assert answer.choices[0].finish_reason == "tool_calls" and answer.usage.completion_tokens == 5


def test_no_calls_are_read_where_none_are_wanted(speaking):
    for fields in ({"tool_choice": "none"}, {"tools": openai.NOT_GIVEN}):
        choice = ask(speaking, pieces=[3, 4, 6], **fields).choices[0]
        assert choice.message.tool_calls is None and choice.finish_reason == "stop"
        assert choice.message.content == PIECES[3] + PIECES[4]


def test_an_answer_that_is_cut_in_its_reasoning(speaking):
    choice = ask(speaking, max_tokens=1).choices[0]
    assert choice.finish_reason == "length" and choice.message.content is None
    assert choice.message.reasoning == "Rain"


def test_the_parser_can_be_named_or_left_out(folder):
    with HoneServer(folder, "--threads", 1, "--kv-memory", "4M", "--name", "speaker", "--tool-parser", "none") as server:
        choice = ask(server, pieces=[0, 1, 3, 4, 6]).choices[0]
        assert choice.message.content == "".join(PIECES[i] for i in (0, 1, 3, 4))
        assert choice.message.tool_calls is None and choice.finish_reason == "stop"
    with HoneServer(folder, "--threads", 1, "--kv-memory", "4M", "--name", "speaker", "--tool-parser", "think") as server:
        choice = ask(server, pieces=[0, 1, 3, 4, 6]).choices[0]
        assert choice.message.reasoning == "Rain or sun?" and choice.message.content == PIECES[3] + PIECES[4]
