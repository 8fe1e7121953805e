"""What Hone said of every token, against transformers in float32, within a tolerance that the formats give: three times the
largest deviation (twice the mean) that transformers itself shows when every matrix product outside of the routers sees its
inputs rounded to bf16, and keys and values are rounded (tests/golden/README.md). Where a router's scores lie so close that
rounding may decide, the rest of the document is left out."""

import contextlib
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM


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


def chosen_by(scores, k):
    return [layer.topk(k).indices for layer in scores]


def first_difference(ours, theirs, rows):
    """The first row, and the first layer in it, where experts differ; the number of rows where none do."""
    found = (rows, None)
    for layer, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        differs = (a.long().sort().values != b.sort().values).any(-1).nonzero().flatten().tolist()
        found = min([found, *((row, layer) for row in differs[:1])], key=lambda at: at[0])
    return found


class Deviation:
    def __init__(self):
        self.largest, self.sum, self.values = 0.0, 0.0, 0

    def add(self, a, b):
        off = (a - b).abs()
        if off.numel():
            self.largest = max(self.largest, off.max().item())
            self.sum += off.sum().item()
            self.values += off.numel()

    @property
    def mean(self):
        return self.sum / self.values


def compare(model, expected):
    """`expected`: the file that Hone wrote."""
    said = load_file(expected)
    offsets = said["offsets"].tolist()
    layers = sorted((name for name in said if name.startswith("experts.")), key=lambda name: int(name.split(".")[1]))
    k = said[layers[0]].shape[1] if layers else 0
    formats, of_scores, documents = Deviation(), [Deviation() for _ in layers], []
    for begin, end in zip(offsets, offsets[1:]):
        exact, scores = run(model, said["ids"][begin:end])
        with rounding(model):
            other, other_scores = run(model, said["ids"][begin:end])
        keep, _ = first_difference(chosen_by(other_scores, k), chosen_by(scores, k), end - begin)
        formats.add(other[:keep], exact[:keep])
        for layer, deviation in enumerate(of_scores):
            deviation.add(other_scores[layer][:keep], scores[layer][:keep])
        documents.append((begin, end, exact, scores))

    hone, rows = Deviation(), 0
    for begin, end, exact, scores in documents:
        chosen = [said[name][begin:end] for name in layers]
        keep, layer = first_difference(chosen, chosen_by(scores, k), end - begin)
        if layer is not None:
            best = scores[layer][keep].topk(k + 1).values
            margin, most = (best[k - 1] - best[k]).item(), 2 * 3 * of_scores[layer].largest
            assert margin <= most, f"row {keep}, layer {layer}: another choice, {margin:.3f} apart; rounding makes {most:.3f}"
        hone.add(said["logprobs"][begin:end][:keep].double(), exact[:keep])
        rows += keep
    print(f"{expected.parent.name}/{expected.name}: largest {hone.largest:.4f} of {3 * formats.largest:.4f}, "
          f"mean {hone.mean:.5f} of {2 * formats.mean:.5f}, {rows} of {offsets[-1]} rows")
    assert rows > offsets[-1] / 5
    assert hone.largest <= 3 * formats.largest
    assert hone.mean <= 2 * formats.mean
