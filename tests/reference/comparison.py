"""What Hone said of every token, against transformers in float32, within a tolerance that the formats give: three times the
largest deviation (twice the mean) that transformers itself shows when every matrix product outside of the routers sees its
inputs rounded to bf16, and keys and values are rounded (tests/golden/README.md)."""

import contextlib
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

NEAR_TIE = 0.1  # standard deviations of the router's scores


def load(folder, dtype=torch.float32):
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager",
                                                       experts_implementation="eager", output_loading_info=True)
    assert not any(info.values()), info
    return model.eval()


def rounded(x):
    return x.bfloat16().float()


@contextlib.contextmanager
def rounding(model):
    """Within it, inputs of matrix products, keys and values are bf16."""
    routers = getattr(model.config, "num_experts", 0)
    linear, attention = torch.nn.functional.linear, {}

    def rounding_linear(x, weight, bias=None):
        return linear(x if weight.shape[0] == routers else rounded(x), weight, bias)

    def wrap(forward):
        return lambda module, query, key, value, *rest, **named: forward(
            module, query, rounded(key), rounded(value), *rest, **named)

    for name, module in list(sys.modules.items()):
        if name.startswith("transformers.models.") and hasattr(module, "eager_attention_forward"):
            attention[module] = module.eager_attention_forward
            module.eager_attention_forward = wrap(module.eager_attention_forward)
    torch.nn.functional.linear = rounding_linear
    try:
        yield
    finally:
        torch.nn.functional.linear = linear
        for module, forward in attention.items():
            module.eager_attention_forward = forward


def run(model, ids):
    """Log-probabilities [T, V] and each routed layer's scores [T, experts] of one document."""
    is_routed = getattr(model.config, "num_experts", 0) > 0
    output = model(ids[None].long(), use_cache=False, **({"output_router_logits": True} if is_routed else {}))
    scores = [layer.view(len(ids), -1) for layer in output.router_logits] if is_routed else []
    return output.logits[0].double().log_softmax(-1), scores


def rows_alike(chosen, scores):
    """Rows before the first whose experts differ, which only a near tie may make."""
    keep = len(chosen[0]) if chosen else None
    for ours, theirs in zip(chosen, scores, strict=True):
        k = ours.shape[1]
        best = theirs.topk(k + 1)
        margin = (best.values[:, k - 1] - best.values[:, k]) / theirs.std()
        differs = (best.indices[:, :k].sort().values != ours.long().sort().values).any(-1)
        for row in differs.nonzero().flatten()[:1].tolist():
            assert margin[:row + 1].min() < NEAR_TIE, f"row {row}: another choice with a margin of {margin[row]}"
            keep = min(keep, row)
    return keep


class Deviation:
    def __init__(self):
        self.largest, self.sum, self.values = 0.0, 0.0, 0

    def add(self, a, b):
        off = (a - b).abs()
        if off.numel():
            self.largest, self.sum, self.values = max(self.largest, off.max().item()), self.sum + off.sum().item(), \
                self.values + off.numel()

    @property
    def mean(self):
        return self.sum / self.values


def compare(model, expected):
    """`expected`: the file that Hone wrote. Returns the deviation of Hone, and that of rounding."""
    said = load_file(expected)
    offsets = said["offsets"].tolist()
    layers = sorted((name for name in said if name.startswith("experts.")), key=lambda name: int(name.split(".")[1]))
    hone, formats, rows = Deviation(), Deviation(), 0
    for begin, end in zip(offsets, offsets[1:]):
        ids = said["ids"][begin:end]
        exact, scores = run(model, ids)
        with rounding(model):
            other, other_scores = run(model, ids)
        keep = rows_alike([said[layer][begin:end] for layer in layers], scores)
        hone.add(said["logprobs"][begin:end][:keep].double(), exact[:keep])
        k = said[layers[0]].shape[1] if layers else 0
        keep_other = rows_alike([layer.topk(k).indices for layer in other_scores], scores)
        formats.add(other[:keep_other], exact[:keep_other])
        rows += end - begin if keep is None else keep
    assert rows > offsets[-1] / 4, f"{rows} of {offsets[-1]} rows were routed alike"
    print(f"{expected.parent.name}/{expected.name}: largest {hone.largest:.4f} of {3 * formats.largest:.4f}, "
          f"mean {hone.mean:.5f} of {2 * formats.mean:.5f}, {rows} rows")
    assert hone.largest <= 3 * formats.largest
    assert hone.mean <= 2 * formats.mean
    return hone, formats
