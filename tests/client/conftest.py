"""Servers that tests share. A test that changes what others see starts its own with `HoneServer`."""

import json

import pytest

from hone_server import MODELS, HoneServer

MODEL = MODELS / "qwen3_moe"


@pytest.fixture(scope="session")
def server():
    with HoneServer(MODEL, "--threads", 1, "--kv-memory", "64M", "--max-context", 8192) as running:
        yield running


@pytest.fixture(scope="session")
def client(server):
    with server.client() as connected:
        yield connected


@pytest.fixture(scope="session")
def model():
    """What the servers of MODEL call it."""
    return MODEL.name


@pytest.fixture(scope="session")
def vocabulary():
    return json.loads((MODEL / "config.json").read_text())["vocab_size"]
