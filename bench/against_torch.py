#!/usr/bin/env python3
"""Training steps of the same models in PyTorch and in Hone, on this machine, one after the other.

    bench/against_torch.py [--hone BINARY] [--documents 4] [--tokens 2048] [--repeats 3] [--threads 2] [--only WORD]

Needs torch, transformers and peft (python3 -m venv DIR; DIR/bin/pip install torch transformers peft), and nobody else on
the machine. Both take steps of the same shapes over as many tokens: random weights, documents of one length that each
attend to themselves, random targets, cross entropy of every token, clipping, AdamW. PyTorch runs the models of
transformers under bf16 autocast with fp32 masters, without gradient checkpointing, and without torch.compile unless
--compile asks for it; its attention is SDPA, its experts are computed as --experts says. Its adapter (peft) is of the
same rank over the same matrices; experts are adapted each by itself in PyTorch, with shared outer factors in Hone.
"""
import argparse
import json
import subprocess
import sys
import time

ROWS = ["train/full/dense-100m/bf16", "train/full/moe-100m/bf16", "train/lora16/moe-100m/bf16"]
SHARED = dict(max_position_embeddings=65536, rope_theta=10000.0, rms_norm_eps=1e-6, hidden_act="silu",
              tie_word_embeddings=True, head_dim=64, use_cache=False)
DENSE = dict(num_hidden_layers=12, hidden_size=768, vocab_size=32768, num_attention_heads=12, num_key_value_heads=4,
             intermediate_size=2304, **SHARED)
MOE = dict(num_hidden_layers=7, hidden_size=512, vocab_size=16384, num_attention_heads=8, num_key_value_heads=4,
           intermediate_size=1024, num_experts=32, num_experts_per_tok=4, moe_intermediate_size=256,
           norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[], **SHARED)


def make_model(row, experts):
    import transformers
    if "dense" in row:
        return transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**DENSE, attn_implementation="sdpa"))
    config = transformers.Qwen3MoeConfig(**MOE, attn_implementation="sdpa", experts_implementation=experts)
    model = transformers.Qwen3MoeForCausalLM(config)
    if "lora" not in row:
        return model
    import peft
    return peft.get_peft_model(model, peft.LoraConfig(
        r=16, lora_alpha=32, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "lm_head"],
        target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]))


def torch_rate(row, flags):
    """Tokens a second of the median step."""
    import torch
    torch.manual_seed(1)
    torch.set_num_threads(flags.threads)
    model = make_model(row, flags.experts).train()
    if flags.compile:
        model = torch.compile(model)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-6, fused=True)
    vocabulary = (DENSE if "dense" in row else MOE)["vocab_size"]
    tokens, targets = torch.randint(0, vocabulary, (2, flags.documents, flags.tokens))

    def step():
        started = time.monotonic()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(input_ids=tokens).logits
        loss = torch.nn.functional.cross_entropy(logits.float().view(-1, vocabulary), targets.view(-1),
                                                 reduction="sum")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return time.monotonic() - started

    step()  # warm-up
    seconds = sorted(step() for _ in range(flags.repeats))
    return tokens.numel() / seconds[len(seconds) // 2]


def hone_rate(row, flags):
    done = subprocess.run([flags.hone, "bench", "train", "--filter", row, "--documents", str(flags.documents),
                           "--tokens", str(flags.tokens), "--repeats", str(flags.repeats),
                           "--threads", str(flags.threads), "--json"], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"hone bench train: exit status {done.returncode}")
    rows = json.loads(done.stdout)["rows"]
    return next(one for one in rows if one["name"] == row)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hone", default="build/release/hone")
    parser.add_argument("--documents", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="rows with this text in their names")
    parser.add_argument("--experts", default="eager", help="experts_implementation of transformers: eager, grouped_mm")
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    flags = parser.parse_args()
    import torch
    import transformers
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, experts {flags.experts}, "
          f"{'compiled' if flags.compile else 'not compiled'}; {flags.documents} documents of {flags.tokens} tokens, "
          f"{flags.threads} threads, median of {flags.repeats}")
    print(f"{'tokens/s':32} {'PyTorch':>10} {'Hone':>10} {'ratio':>7}")
    for row in ROWS:
        if flags.only not in row:
            continue
        ours = hone_rate(row, flags)
        theirs = torch_rate(row, flags)
        void = "  (void)" if ours["void"] else ""
        print(f"{row:32} {theirs:10.0f} {ours['value']:10.0f} {ours['value'] / theirs:7.2f}{void}", flush=True)


if __name__ == "__main__":
    main()
