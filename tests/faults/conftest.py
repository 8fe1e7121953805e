"""Servers for faults: one that tests share, and such as they start themselves."""

import pytest
from hone_server import MODELS, HoneServer

MODEL = MODELS / "qwen3_moe"
FLAGS = {"--threads": 2, "--kv-memory": "64M", "--max-context": 8192}


def start_server(flags):
    """With FLAGS, unless `flags` says otherwise."""
    arguments = [argument for flag in (FLAGS | flags).items() for argument in flag]
    return HoneServer(MODEL, *arguments)


@pytest.fixture(scope="session")
def server():
    with start_server({}) as running:
        yield running


@pytest.fixture
def start():
    """Servers with flags of their own; those that the test did not end are ended."""
    started = []

    def start_one(**flags):
        """start(max_streams=8) gives --max-streams 8."""
        started.append(start_server({"--" + name.replace("_", "-"): value for name, value in flags.items()}))
        return started[-1]

    yield start_one
    for running in started:
        if running.process.poll() is None:
            running.kill()
