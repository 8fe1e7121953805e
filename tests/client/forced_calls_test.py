"""Calls that a request demands (tool_choice): whatever a random model says, in every dialect, they are calls of the tools that
were given, with arguments that their schemas allow."""

import json
import re

import openai
import pytest
from conftest import MODEL
from hone_server import HoneServer

DIALECTS = ["qwen3", "qwen3_coder", "minimax_m2", "kimi_k2", "deepseek_v31", "deepseek_v3", "harmony", "mistral", "llama3_json"]

TRIP = {"type": "object", "additionalProperties": False, "required": ["city", "days", "code"], "properties": {
    "city": {"type": "string", "minLength": 1, "maxLength": 8}, "days": {"type": "integer", "minimum": 1, "maximum": 14},
    "code": {"type": "string", "pattern": "^[A-Z]{2,4}-\\d+$", "maxLength": 9}, "mode": {"enum": ["rail", "road", 7]},
    "limit": {"anyOf": [{"type": "number", "minimum": 0, "maximum": 9}, {"type": "null"}]},
    "stops": {"type": "array", "maxItems": 2, "items": {"$ref": "#/$defs/stop"}}},
        "$defs": {"stop": {"type": "object", "additionalProperties": False, "required": ["at"], "properties": {
            "at": {"enum": ["noon", "night"]}, "dry": {"type": "boolean"}}}}}
TOOLS = [{"type": "function", "function": {"name": "plan_trip", "strict": True, "parameters": TRIP}},
         {"type": "function", "function": {"name": "ns.ping:v1/x-2"}},
         {"type": "function", "function": {"name": "stop", "parameters": {"type": "object", "properties": {},
                                                                         "additionalProperties": False}}}]
# Of a random model free text never ends by itself, so reasoning is made not to begin ("<th", "[TH", "analysis"); and every
# tool gets its turn.
BIAS = {str(3 + ord(letter)): -100 for letter in "thaH"} | {str(3 + ord("p")): 2, str(3 + ord(",")): 2}


def check_trip(value):
    assert set(TRIP["required"]) <= set(value) <= set(TRIP["properties"])
    assert isinstance(value["city"], str) and 1 <= len(value["city"]) <= 8
    assert isinstance(value["days"], int) and 1 <= value["days"] <= 14
    assert re.fullmatch(r"[A-Z]{2,4}-[0-9]+", value["code"]) and len(value["code"]) <= 9
    assert value.get("mode", 7) in ("rail", "road", 7)
    assert value.get("limit") is None or 0 <= value["limit"] <= 9
    for stop in value.get("stops", []):
        assert set(stop) <= {"at", "dry"} and stop["at"] in ("noon", "night") and isinstance(stop.get("dry", True), bool)


def check_calls(calls):
    for call in calls:
        arguments = json.loads(call.function.arguments)
        assert call.type == "function" and call.id
        if call.function.name == "plan_trip":
            check_trip(arguments)
        else:
            assert call.function.name in ("ns.ping:v1/x-2", "stop") and arguments == {}
    return [call.function.name for call in calls]


@pytest.fixture(scope="module", params=DIALECTS)
def server(request):
    with HoneServer(MODEL, "--threads", 1, "--kv-memory", "32M", "--max-context", 4096, "--tool-parser", request.param) as running:
        yield running


def fields_for(choice, **fields):
    return {"model": MODEL.name, "messages": [{"role": "user", "content": "Go"}], "tools": TOOLS, "tool_choice": choice,
            "max_tokens": 1200, "temperature": 2, "logit_bias": BIAS} | fields


def named(name):
    return {"type": "function", "function": {"name": name}}


def test_required(server):
    """One call or several, streamed and not."""
    called = set()
    with server.client() as client:
        for seed in range(16):
            choice = client.chat.completions.create(**fields_for("required", seed=seed)).choices[0]
            if choice.finish_reason == "length":
                continue
            assert choice.finish_reason == "tool_calls" and choice.message.content is None
            called |= set(check_calls(choice.message.tool_calls))
            with client.chat.completions.stream(**fields_for("required", seed=seed)) as stream:
                streamed = stream.get_final_completion().choices[0]
            assert streamed.finish_reason == "tool_calls" and not streamed.message.content
            assert [(call.function.name, call.function.arguments) for call in streamed.message.tool_calls] == [
                (call.function.name, call.function.arguments) for call in choice.message.tool_calls]
    assert len(called) > 1 and "plan_trip" in called


def test_one_call_of_those_required(server):
    with server.client() as client:
        for seed in range(6):
            choice = client.chat.completions.create(
                **fields_for("required", seed=seed, parallel_tool_calls=False)).choices[0]
            assert choice.finish_reason == "tool_calls" and len(check_calls(choice.message.tool_calls)) == 1


def test_a_named_function(server):
    with server.client() as client:
        for name in ("plan_trip", "ns.ping:v1/x-2"):
            for seed in range(3):
                fields = fields_for(named(name), seed=seed)
                choice = client.chat.completions.create(**fields).choices[0]
                assert choice.finish_reason == "stop" and choice.message.content is None
                assert check_calls(choice.message.tool_calls) == [name]
                parts = [part.choices[0] for part in client.chat.completions.create(stream=True, **fields)]
                pieces = [piece.function for part in parts for piece in part.delta.tool_calls or []]
                assert "".join(piece.arguments for piece in pieces) == choice.message.tool_calls[0].function.arguments
                assert [piece.name for piece in pieces if piece.name] == [name] and parts[-1].finish_reason == "stop"


def test_what_is_cut_off_says_so(server):
    with server.client() as client:
        choice = client.chat.completions.create(**fields_for(named("plan_trip"), max_tokens=6)).choices[0]
        assert choice.finish_reason == "length"


@pytest.mark.parametrize("field, fields", [
    ("tool_choice", {"tools": openai.NOT_GIVEN}), ("tool_choice", {"tools": []}),
    ("tool_choice.function.name", {"tool_choice": named("fly")}),
    ("tool_choice.function.name", {"tool_choice": {"type": "function", "function": {}}}),
    ("guided_regex", {"extra_body": {"guided_regex": "a"}}),
    ("structured_outputs.choice", {"extra_body": {"structured_outputs": {"choice": ["a"]}}}),
    ("tools", {"tools": [{"type": "function", "function": {"name": "f", "parameters": {
        "type": "object", "properties": {"a": {"not": {}}}, "required": ["a"]}}}]})])
def test_mistakes_name_their_field(server, field, fields):
    with server.client() as client, pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**fields_for("required") | fields)
    assert refused.value.param == field and f"'{field}'" in refused.value.message


def test_response_format_is_about_content(server):
    with server.client() as client:
        choice = client.chat.completions.create(
            **fields_for(named("stop"), response_format={"type": "json_object"})).choices[0]
    assert check_calls(choice.message.tool_calls) == ["stop"]


@pytest.mark.parametrize("parser", ["none", "think"])
def test_a_model_that_cannot_call_refuses(parser):
    with HoneServer(MODEL, "--threads", 1, "--kv-memory", "4M", "--tool-parser", parser) as server:
        for choice in ("required", named("stop")):
            with pytest.raises(openai.BadRequestError, match="tool_choice"):
                server.client().chat.completions.create(**fields_for(choice))
