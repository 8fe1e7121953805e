"""Adapter folders as Hugging Face PEFT writes them, with random factors that change what a model says."""

import array
import json
import random
import struct

PREFIX = "base_model.model."


def write_safetensors(path, tensors):
    """fp32 tensors by name: (shape, values)."""
    header, data = {}, b""
    for name, (shape, values) in tensors.items():
        begin = len(data)
        data += array.array("f", values).tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def modules_of(config):
    """The modules of a Qwen3-MoE that are adapted here, with their extents [n, k]."""
    hidden, inner = config["hidden_size"], config["moe_intermediate_size"]
    heads = config["num_attention_heads"] * config["head_dim"]
    modules = {"lm_head": (config["vocab_size"], hidden)}
    for layer in range(config["num_hidden_layers"]):
        modules[f"model.layers.{layer}.self_attn.q_proj"] = (heads, hidden)
        for expert in range(config["num_experts"]):
            modules[f"model.layers.{layer}.mlp.experts.{expert}.down_proj"] = (hidden, inner)
    return modules


def write_adapter(folder, model, seed, rank=3, size=0.3, **config):
    """An adapter of the checkpoint in `model`; `config` goes on top of adapter_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)
    tensors = {}
    for module, (rows, columns) in modules_of(json.loads((model / "config.json").read_text())).items():
        for factor, shape in (("A", [rank, columns]), ("B", [rows, rank])):
            values = [draw.gauss(0, size) for _ in range(shape[0] * shape[1])]
            tensors[f"{PREFIX}{module}.lora_{factor}.weight"] = shape, values
    write_safetensors(folder / "adapter_model.safetensors", tensors)
    settings = {"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "bias": "none", **config}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder
