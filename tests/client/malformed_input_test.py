"""What is wrong with a request is said, with the field at fault, as an error that the openai package understands; and
the server goes on."""

import json
import socket

import openai
import pytest
from conftest import MODEL
from hone_server import HoneServer, wait_until

MESSAGES = [{"role": "user", "content": "Hi"}]


@pytest.fixture(autouse=True)
def the_server_goes_on(server):
    yield
    assert server.post("/v1/completions", {"prompt": "still there?", "max_tokens": 2})["choices"]
    server.wait_until_idle()


COMPLETION_FAULTS = [
    ("prompt", {"prompt": None}), ("prompt", {"prompt": {}}), ("prompt", {"prompt": []}), ("prompt", {"prompt": ""}),
    ("prompt[1]", {"prompt": ["a", 5]}), ("prompt[1]", {"prompt": [1, "a"]}), ("prompt[0]", {"prompt": [10**9]}),
    ("prompt[0]", {"prompt": [-1]}), ("prompt[1]", {"prompt": [[1], []]}), ("max_tokens", {"max_tokens": 0}),
    ("max_tokens", {"max_tokens": "many"}), ("max_tokens", {"max_tokens": 10**12}), ("max_tokens", {"max_tokens": 1.5}),
    ("temperature", {"temperature": -1}), ("temperature", {"temperature": "hot"}), ("top_p", {"top_p": 2}),
    ("top_p", {"top_p": 0}), ("n", {"n": 0}), ("n", {"n": 10**6}), ("logprobs", {"logprobs": 10**6}),
    ("logprobs", {"logprobs": True}), ("stop", {"stop": ""}), ("stop[1]", {"stop": ["a", 1]}),
    ("stop", {"stop": ["x"] * 1000}), ("seed", {"seed": "one"}), ("seed", {"seed": 2**70}),
    ("logit_bias", {"logit_bias": {"x": 1}}), ("logit_bias", {"logit_bias": {"1000000": 1}}),
    ("logit_bias.1", {"logit_bias": {"1": 1000}}), ("stream_options", {"stream_options": {"include_usage": True}}),
    ("stream", {"stream": "yes"}), ("presence_penalty", {"presence_penalty": 3}),
    ("frequency_penalty", {"frequency_penalty": -3}), ("suffix", {"suffix": "end"}), ("best_of", {"best_of": 3}),
    ("top_k", {"top_k": -2}), ("min_p", {"min_p": 1.5}), ("repetition_penalty", {"repetition_penalty": 0}),
    ("prompt_logprobs", {"prompt_logprobs": -1}), ("priority", {"priority": "high"}), ("priority", {"priority": 2**31}), ("repetition_penalty", {"repetition_penalty": 1e-38}),
    ("stop_token_ids", {"min_tokens": 2, "stop_token_ids": list(range(288))}), ("grammar", {"grammar": "root ::= x"}),
    ("logit_bias", {"logit_bias": {"1": 60, "01": 60}}), ("typical_p", {"typical_p": 0.5}), ("ignore_eos", {"ignore_eos": 1}), ("min_tokens", {"min_tokens": 99}),
    ("stop_token_ids[0]", {"stop_token_ids": [10**9]}), ("echo", {"echo": "yes"}), ("model", {"model": 7}),
]


@pytest.mark.parametrize("field, fault", COMPLETION_FAULTS, ids=[json.dumps(fault)[:60] for _, fault in
                                                                 COMPLETION_FAULTS])
def test_a_completion_names_the_field_at_fault(client, model, field, fault):
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model=model, prompt="x", extra_body={"max_tokens": 4} | fault)
    error = refused.value
    assert error.param == field and error.type == "invalid_request_error" and error.code
    assert field in error.message


CHAT_FAULTS = [
    ("messages", {"messages": []}), ("messages", {"messages": "Hi"}), ("messages[0]", {"messages": ["Hi"]}),
    ("messages[0].role", {"messages": [{"content": "Hi"}]}),
    ("messages[0].role", {"messages": [{"role": 3, "content": "Hi"}]}),
    ("messages[0].content", {"messages": [{"role": "user", "content": 3}]}),
    ("messages[1].content[0]", {"messages": MESSAGES + [{"role": "user", "content": [{"type": "image_url"}]}]}),
    ("top_logprobs", {"top_logprobs": 2}), ("max_completion_tokens", {"max_completion_tokens": -4}),
    ("response_format.type", {"response_format": {"type": "yaml"}}), ("tools[0]", {"tools": ["f"]}),
    ("tool_choice", {"tool_choice": "required"}),
    ("tool_choice", {"tool_choice": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}),  # no dialect
    ("modalities", {"modalities": ["audio"]}),
    ("chat_template_kwargs.messages", {"chat_template_kwargs": {"messages": []}}),
]


@pytest.mark.parametrize("field, fault", CHAT_FAULTS, ids=[json.dumps(fault)[:60] for _, fault in CHAT_FAULTS])
def test_a_chat_names_the_field_at_fault(client, model, field, fault):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=model, messages=MESSAGES, extra_body={"max_tokens": 4} | fault)
    assert refused.value.param == field and field in refused.value.message


def test_forced_calls_without_a_dialect_tell_the_flag(client, model):
    tools = [{"type": "function", "function": {"name": "f"}}]
    for choice in ("required", {"type": "function", "function": {"name": "f"}}):
        with pytest.raises(openai.BadRequestError, match="--tool-parser"):
            client.chat.completions.create(model=model, messages=MESSAGES, tools=tools, tool_choice=choice)


def test_an_unknown_model_is_not_found(client):
    for ask in (lambda: client.completions.create(model="gpt-9", prompt="x"),
                lambda: client.chat.completions.create(model="gpt-9", messages=MESSAGES, stream=True),
                lambda: client.models.retrieve("gpt-9")):
        with pytest.raises(openai.NotFoundError) as refused:
            ask()
        assert refused.value.code == "model_not_found" and "gpt-9" in refused.value.message


def test_apis_that_are_not_there_are_not_found(client, model):
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model=model, input="x")
    with pytest.raises(openai.NotFoundError):
        client.images.generate(prompt="x")


@pytest.mark.parametrize("stream", [False, True])
def test_prompts_beyond_the_context(client, server, model, stream):
    limit = client.models.retrieve(model).max_model_len
    tokens = server.tokenize("x") * (limit + 1)
    for prompt in (tokens, tokens[:limit], "x" * (limit + 1)):
        with pytest.raises(openai.BadRequestError) as refused:
            client.completions.create(model=model, prompt=prompt, max_tokens=1, stream=stream)
        assert refused.value.code == "context_length_exceeded" and str(limit) in refused.value.message
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model=model, prompt=tokens[:limit - 5], max_tokens=6, stream=stream)
    assert refused.value.code == "context_length_exceeded"


BODIES = [b"", b"{", b"nonsense", b"[]", b'"text"', b"null", b'{"prompt": "x"} trailing', b'{"prompt": "\xff\xfe"}',
          b"\x00\x01\x02", b'{"prompt": NaN}', b"[" * 100_000, b'{"a":' * 100_000, b'{"prompt": "\\ud800"}']


@pytest.mark.parametrize("body", BODIES, ids=[str(body[:20]) for body in BODIES])
@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions", "/tokenize"])
def test_bodies_that_are_no_json_object(server, path, body):
    status, headers, answer = server.request("POST", path, body)
    error = json.loads(answer)["error"]
    assert status == 400 and headers["Content-Type"] == "application/json"
    assert error["message"] and error["type"] == "invalid_request_error"


def test_a_body_must_be_json_by_its_type(server):
    status, _, answer = server.request("POST", "/v1/completions", b"prompt=x", {"Content-Type": "text/plain"})
    assert status == 415 and "application/json" in json.loads(answer)["error"]["message"]


def test_unknown_paths_and_wrong_methods(server):
    for path in ("/index.html", "/v1", "/v1/nothing", "/v1/completions/", "/../etc/passwd", "/%2e%2e/etc/passwd"):
        status, _, answer = server.request("GET", path)
        assert status == 404 and json.loads(answer)["error"]["code"] == "not_found"
    for method, path in (("GET", "/v1/completions"), ("POST", "/v1/models"), ("DELETE", "/v1/models/x"),
                         ("PUT", "/health")):
        status, headers, answer = server.request(method, path)
        assert status == 405 and json.loads(answer)["error"]["code"] == "method_not_allowed"
        assert method not in headers["Allow"]


def exchange(server, data, seconds=20):
    """Sends bytes as they are; all that comes back until the server closes."""
    with socket.create_connection((server.host, server.port), seconds) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


POST = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("data, status", [
    (b"NONSENSE\r\n\r\n", b"400"), (b"GET  HTTP/1.1\r\n\r\n", b"400"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" * 9, b"400"), (POST + b"Content-Length: -5\r\n\r\n", b"400"),
    (b"GET /health HTTP/1.1\r\nHost: x\r\nLong: " + b"x" * 100_000 + b"\r\n\r\n", b"431"),
    (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
], ids=["no http", "no target", "tls", "bad length", "long header", "bad chunk"])
def test_malformed_http(server, data, status):
    answer = exchange(server, data)
    assert answer.startswith(b"HTTP/1.1 " + status) and b'"error"' in answer


SMUGGLED = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("data, status", [
    (POST + b"Transfer-Encoding: identity\r\n\r\n", b"501"), (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", b"501"),
    (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
    (b"GET /health HTTP/1.1\r\n\r\n", b"400"), (b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", b"400"),
], ids=["identity", "gzip", "two lengths", "no host", "two hosts"])
def test_requests_that_proxies_may_read_otherwise_end_the_connection(server, data, status):
    answer = exchange(server, data + SMUGGLED)
    assert answer.startswith(b"HTTP/1.1 " + status) and b'"error"' in answer and b"HTTP/1.1 200" not in answer


@pytest.fixture(scope="module")
def strict_server():
    flags = ["--threads", 1, "--kv-memory", "4M", "--max-body", "64K", "--header-timeout", 0.3]
    with HoneServer(MODEL, *flags) as running:
        yield running


def test_bodies_over_the_limit(strict_server):
    with strict_server.client() as connected:
        with pytest.raises(openai.APIStatusError) as refused:
            connected.completions.create(model=MODEL.name, prompt="x" * 100_000)
        assert refused.value.status_code == 413 and "65536" in refused.value.message
        head = (b"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n")
        assert exchange(strict_server, head + b"8000\r\n" + b"x" * 0x8000 + b"\r\n9000\r\n" + b"x" * 0x9000 + b"\r\n") \
            .startswith(b"HTTP/1.1 413")
        assert connected.completions.create(model=MODEL.name, prompt="x", max_tokens=1)


@pytest.mark.parametrize("begun", [b"GET /health HT", b"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-"])
def test_slow_clients_are_closed(strict_server, begun):
    with socket.create_connection((strict_server.host, strict_server.port), 20) as connection:
        connection.sendall(begun)
        assert connection.recv(65536) == b"", "closed without an answer"


def test_many_slow_clients_hinder_nobody(strict_server):
    idle = [socket.create_connection((strict_server.host, strict_server.port), 20) for _ in range(100)]
    for connection in idle:
        connection.sendall(b"GET / HTTP/1.1\r\n")
    assert strict_server.request("GET", "/health")[0] == 200
    for connection in idle:
        assert connection.recv(1) == b""
        connection.close()


def test_clients_that_leave_amid_their_request(server):
    head = POST + b"Content-Length: 1000\r\n\r\n"
    before = server.metric("hone_requests_submitted_total")
    for sent in (head[:30], head, head + b'{"prompt": "x"'):
        assert exchange(server, sent) == b""
    wait_until(lambda: server.metric("hone_requests_submitted_total") == before, what="no request")
