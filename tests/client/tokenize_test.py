"""/tokenize and /detokenize: text to ids and back."""

import json

import pytest
from conftest import MODEL
from hone_server import HoneServer

TEXTS = ["Hello, world!", "naïve façade — ☃ 🙂 日本語", "\x00\x01\t\r\n", " leading and trailing ", "a" * 5000, ""]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_round_trip(server, text):
    answer = server.post("/tokenize", {"prompt": text, "add_special_tokens": False})
    assert answer["count"] == len(answer["tokens"]) and answer["max_model_len"] > 0
    assert server.post("/detokenize", {"tokens": answer["tokens"]})["prompt"] == text


def test_token_strings_are_told_if_asked_for(server):
    answer = server.post("/tokenize", {"prompt": "Hi there", "return_token_strs": True})
    assert len(answer["token_strs"]) == answer["count"] and all(answer["token_strs"])
    assert "token_strs" not in server.post("/tokenize", {"prompt": "Hi there"})


def test_a_conversation_is_rendered(server):
    messages = [{"role": "user", "content": "Hi"}]
    with_prompt = server.post("/tokenize", {"messages": messages})["tokens"]
    without = server.post("/tokenize", {"messages": messages, "add_generation_prompt": False})["tokens"]
    assert with_prompt[:len(without)] == without and len(with_prompt) > len(without)


def test_a_conversation_with_tools_takes_the_template_for_tools(tmp_path):
    for file in MODEL.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "additional_chat_templates").mkdir()
    template = "{{ tools[0].function.name }} for {{ messages[0].content }}"
    (tmp_path / "additional_chat_templates/tool_use.jinja").write_text(template)
    body = {"messages": [{"role": "user", "content": "me"}]}
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]
    with HoneServer(tmp_path, "--kv-memory", "1M") as server:
        assert server.post("/tokenize", body | {"tools": tools})["tokens"] == server.tokenize("look_up for me")
        assert server.tokenize("assistant")[0] in server.post("/tokenize", body)["tokens"]
        answer = server.post("/v1/chat/completions", body | {"tools": tools, "tool_choice": "none", "max_tokens": 1})
        assert answer["usage"]["prompt_tokens"] == len(server.tokenize("look_up for me"))


def test_every_token_of_the_model_can_be_read(server, vocabulary):
    """Ids beyond the tokenizer's too, which a padded vocabulary has and a model may generate."""
    text = server.post("/detokenize", {"tokens": list(range(vocabulary))})["prompt"]
    assert "A" in text
    for token in (0, vocabulary - 1):
        assert isinstance(server.post("/detokenize", {"tokens": [token]})["prompt"], str)


@pytest.mark.parametrize("body, field", [({}, "prompt"), ({"prompt": 5}, "prompt"), ({"messages": "x"}, "messages")])
def test_bad_text_is_refused(server, body, field):
    status, _, answer = server.request("POST", "/tokenize", body)
    assert status == 400 and json.loads(answer)["error"]["param"] == field


@pytest.mark.parametrize("tokens", [None, "x", [-1], [10**9], [1.5], ["a"]], ids=str)
def test_bad_ids_are_refused(server, tokens):
    status, _, answer = server.request("POST", "/detokenize", {"tokens": tokens})
    assert status == 400 and b"tokens" in answer
