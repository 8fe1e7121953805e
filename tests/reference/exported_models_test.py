"""Exported folders in transformers: they load without a key too many or too few, with their tokenizer, keep their values,
and say what Hone says."""

import json

import pytest
import torch
from comparison import compare, load
from conftest import CASES
from safetensors.torch import load_file
from transformers import AutoTokenizer


@pytest.mark.parametrize("case", CASES)
def test_transformers_says_what_hone_says(trained, case):
    compare(load(trained / case / "model"), trained / case / "hone.safetensors")


@pytest.mark.parametrize("case", CASES)
def test_the_type_of_the_config_keeps_the_values(trained, case):
    """Quantised matrices are not exact in bf16, so the folder asks for float32; others keep their own."""
    folder = trained / case / "model"
    stored = load_file(folder / "model.safetensors")
    quantised = any(value.dtype == torch.float32 for name, value in stored.items()
                    if value.ndim == 2 and not name.endswith("mlp.gate.weight"))
    is_quantised = case.endswith("int4") or (case.endswith("experts") and not case.startswith("qwen3-"))
    assert quantised == is_quantised
    model = load(folder, "auto")
    assert model.dtype == (torch.float32 if quantised else torch.bfloat16)
    state = model.state_dict()
    assert any(name in state for name in stored)
    for name, value in stored.items():
        if name in state and value.ndim == 2 and not name.endswith("mlp.gate.weight"):
            assert torch.equal(state[name], value.to(model.dtype)), name
            assert torch.equal(state[name].float(), value.float()), name


@pytest.mark.parametrize("case", CASES[::3])
def test_the_tokenizer_comes_along(trained, case):
    tokenizer = AutoTokenizer.from_pretrained(trained / case / "model")
    assert tokenizer.decode(tokenizer("hello there")["input_ids"]) == "hello there"
    assert "hello" in tokenizer.apply_chat_template([{"role": "user", "content": "hello"}], tokenize=False)
    assert json.loads((trained / case / "model/config.json").read_text())["vocab_size"] >= len(tokenizer)
