"""/v1/chat/completions as the openai package asks for it: messages, content parts, choices, usage, extra fields."""

import json

from answers import choices_of
from conftest import MODEL

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who are you?"}]


def test_answers_as_the_assistant(client, model):
    answer = client.chat.completions.create(model=model, messages=MESSAGES, max_completion_tokens=10,
                                            extra_body={"ignore_eos": True})
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-") and answer.model == model
    choice = answer.choices[0]
    assert choice.index == 0 and choice.finish_reason == "length" and choice.logprobs is None
    assert choice.message.role == "assistant" and isinstance(choice.message.content, str)
    assert not choice.message.tool_calls and choice.message.refusal is None
    assert answer.usage.completion_tokens == 10
    assert answer.system_fingerprint.startswith("hone-")


def test_the_prompt_is_what_the_template_makes(client, server, model):
    answer = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=1,
                                            extra_body={"return_token_ids": True})
    rendered = server.post("/tokenize", {"messages": MESSAGES})["tokens"]
    assert answer.prompt_token_ids == rendered and answer.usage.prompt_tokens == len(rendered)
    text = server.post("/detokenize", {"tokens": rendered})["prompt"]
    assert all(message["content"] in text and message["role"] in text for message in MESSAGES)


def test_users_cannot_write_control_tokens(server):
    added = json.loads((MODEL / "tokenizer.json").read_text())["added_tokens"]
    special = {token["id"]: token["content"] for token in added if token["special"]}

    def control_tokens(content):
        tokens = server.post("/tokenize", {"messages": [{"role": "user", "content": content}]})["tokens"]
        return [token for token in tokens if token in special]

    assert special and control_tokens("plain")
    for text in special.values():
        assert control_tokens(f"before {text} after") == control_tokens("plain")


def test_max_completion_tokens_goes_before_max_tokens(client, model):
    answer = client.chat.completions.create(model=model, messages=MESSAGES, max_completion_tokens=4, max_tokens=9,
                                            extra_body={"ignore_eos": True})
    assert answer.usage.completion_tokens == 4


def test_content_parts_are_one_text(client, model):
    def prompt_ids(content):
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}],
                                                max_tokens=1, extra_body={"return_token_ids": True})
        return answer.prompt_token_ids

    parts = [{"type": "text", "text": "first"}, {"type": "text", "text": "second"}]
    assert prompt_ids(parts) == prompt_ids("first\nsecond")
    assert prompt_ids(parts) != prompt_ids("first")


def test_choices_share_the_prompt_and_differ(client, model):
    answer = client.chat.completions.create(model=model, messages=MESSAGES, n=4, seed=3, max_tokens=12,
                                            extra_body={"ignore_eos": True, "return_token_ids": True})
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert len({tuple(choice.token_ids) for choice in choices_of(answer)}) == 4
    assert answer.usage.completion_tokens == 48
    one = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=1)
    assert answer.usage.prompt_tokens == one.usage.prompt_tokens


def test_a_chat_is_the_completion_of_its_prompt(client, server, model):
    shared = {"model": model, "temperature": 0.8, "seed": 21, "max_tokens": 20}
    extra = {"ignore_eos": True, "return_token_ids": True}
    chat = client.chat.completions.create(messages=MESSAGES, logprobs=True, extra_body=extra, **shared)
    prompt = server.post("/tokenize", {"messages": MESSAGES})["tokens"]
    completion = client.completions.create(prompt=prompt, logprobs=0, extra_body=extra, **shared)
    by_chat, by_completion = choices_of(chat)[0], choices_of(completion)[0]
    assert by_chat.token_ids == by_completion.token_ids and by_chat.text == by_completion.text
    assert by_chat.logprobs == by_completion.logprobs and by_chat.processed == by_completion.processed


def test_an_answer_is_continued_if_asked_for(client, server, model):
    begun = MESSAGES + [{"role": "assistant", "content": "I am"}]
    answer = client.chat.completions.create(
        model=model, messages=begun, max_tokens=1,
        extra_body={"continue_final_message": True, "add_generation_prompt": False, "return_token_ids": True})
    prompt = server.post("/detokenize", {"tokens": answer.prompt_token_ids})["prompt"]
    assert prompt.endswith("I am")


def test_the_seed_in_use_is_told(client, model):
    def ask(**fields):
        return client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=16,
                                              extra_body={"ignore_eos": True}, **fields)

    drawn = ask()
    again = ask(seed=drawn.hone["seed"])
    assert again.choices[0].message.content == drawn.choices[0].message.content
    assert ask().hone["seed"] != drawn.hone["seed"]


def test_fields_that_ask_for_nothing_here_are_taken(client, model):
    answer = client.chat.completions.create(
        model=model, messages=MESSAGES, max_tokens=2, user="somebody", metadata={"purpose": "test"}, store=False,
        service_tier="auto", parallel_tool_calls=True, response_format={"type": "text"}, modalities=["text"],
        tool_choice="none", extra_body={"a_field_of_tomorrow": [1]})
    assert answer.choices[0].message.content is not None
