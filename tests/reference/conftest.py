"""Trains and exports the golden models once (trained_models.cpp), for all tests."""

import os
import pathlib
import subprocess

import pytest
import torch

PROGRAM = os.environ.get("HONE_TRAINED_MODELS", "build/release/tests/trained_models")
CASES = [f"{family}-{weights}" for family in ("qwen3", "qwen3_moe", "olmoe")
         for weights in ("bf16", "int4", "int4-experts")]


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    torch.set_grad_enabled(False)
    out = tmp_path_factory.mktemp("trained")
    subprocess.run([pathlib.Path(PROGRAM).absolute(), out], check=True)
    assert sorted(folder.name for folder in out.iterdir()) == sorted(CASES)
    return out
