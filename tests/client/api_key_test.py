"""Keys: who has one of them gets in, others learn nothing but that they need one."""

import json

import openai
import pytest
from conftest import MODEL
from hone_server import ENVIRONMENT, HoneServer

KEYS = ["first-key", "second-key"]


@pytest.fixture(scope="module")
def locked():
    flags = [argument for key in KEYS for argument in ("--api-key", key)]
    with HoneServer(MODEL, "--threads", 1, "--kv-memory", "4M", *flags) as running:
        yield running


@pytest.mark.parametrize("key", KEYS)
def test_each_key_opens(locked, key):
    with locked.client(api_key=key) as client:
        assert client.models.list().data
        assert client.completions.create(model=MODEL.name, prompt="x", max_tokens=1).choices


@pytest.mark.parametrize("key", ["wrong", "first-ke", "first-key2", "FIRST-KEY", "first-key second-key", "first-key,"])
def test_other_keys_do_not(locked, key):
    with locked.client(api_key=key) as client:
        for ask in (client.models.list,
                    lambda: client.completions.create(model=MODEL.name, prompt="x"),
                    lambda: client.chat.completions.create(model=MODEL.name, stream=True,
                                                           messages=[{"role": "user", "content": "x"}])):
            with pytest.raises(openai.AuthenticationError) as refused:
                ask()
            assert refused.value.code == "invalid_api_key"
            assert not any(known in str(refused.value) for known in KEYS)


@pytest.mark.parametrize("headers, status", [
    ({}, 401), ({"Authorization": ""}, 401), ({"Authorization": "Bearer"}, 401), ({"Authorization": "first-key"}, 401),
    ({"Authorization": "Digest first-key"}, 401), ({"Authorization": "Bearer first-key"}, 200),
    ({"X-Api-Key": "second-key"}, 200), ({"X-Api-Key": "second"}, 401)], ids=str)
def test_headers_that_carry_a_key(locked, headers, status):
    for path in ("/v1/models", f"/v1/models/{MODEL.name}"):
        assert locked.request("GET", path, headers=headers)[0] == status
    got, answer_headers, body = locked.request("POST", "/tokenize", {"prompt": "x"}, headers)
    assert got == status
    if status == 401:
        assert answer_headers["WWW-Authenticate"] == "Bearer" and json.loads(body)["error"]["message"]


def test_probes_need_no_key(locked):
    for path in ("/health", "/version", "/metrics"):
        assert locked.request("GET", path)[0] == 200


def test_the_key_may_come_from_the_environment(monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "HONE_API_KEY", "from-environment")
    with HoneServer(MODEL, "--threads", 1, "--kv-memory", "4M") as server:
        assert server.request("GET", "/v1/models")[0] == 401
        with server.client(api_key="from-environment") as client:
            assert client.models.list().data
        assert "from-environment" not in server.output


def test_without_keys_everybody_gets_in(client, server):
    assert client.models.list().data
    assert server.request("GET", "/v1/models")[0] == 200
