"""Exported adapters in peft: they load, and change what the model says as they do in Hone."""

import pytest
from comparison import compare, load
from peft import PeftModel


@pytest.mark.parametrize("case", ["qwen3-bf16", "qwen3_moe-bf16", "olmoe-bf16"])
def test_peft_says_what_hone_says(trained, case):
    base = load(trained / case / "model")
    adapted = PeftModel.from_pretrained(base, trained / case / "adapter").eval()
    compare(adapted, trained / case / "adapted.safetensors")
    with adapted.disable_adapter(), pytest.raises(AssertionError):
        compare(adapted, trained / case / "adapted.safetensors")
