"""`hone train` from nothing to a model that answers: a tokenizer, pretraining, chats and INT4 training as stages of one
recipe; and such a run that is killed again and again ends with the bytes of one that never was."""

import json
import random
import signal
import subprocess
import time

import pytest
from hone_server import BINARY, ENVIRONMENT, HoneServer, run_hone

TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m.role }}\n"
            "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}"
            "{% else %}{{ m.content }}<|im_end|>{% endif %}\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
CONFIG = {"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "vocab_size": 320, "eos_token_id": 319,
          "hidden_size": 64, "intermediate_size": 96, "moe_intermediate_size": 32, "num_hidden_layers": 2, "head_dim": 32,
          "num_attention_heads": 2, "num_key_value_heads": 1, "num_experts": 4, "num_experts_per_tok": 2,
          "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [], "max_position_embeddings": 512,
          "rope_theta": 10000.0, "rms_norm_eps": 1e-6, "tie_word_embeddings": True, "hidden_act": "silu",
          "attention_bias": False, "torch_dtype": "bfloat16"}
TOKENIZER = """kind = "tokenizer"
output = "runs/tokenizer"
vocabulary_size = 320
special_tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
config_files = ["config.json", "tokenizer_config.json", "chat_template.jinja"]
[data]
files = ["text.jsonl", "chat.jsonl"]
"""
PRETRAIN = """kind = "pretrain"
output = "runs/pretrain"
seed = 3
[architecture]
config = "runs/tokenizer/final/config.json"
[train]
steps = 20
tokens = 256
[optimiser]
kind = "muon"
learning_rate = 5e-3
[schedule]
decay = "warmup_stable_decay"
warmup_steps = 2
decay_steps = 5
[balance]
aux_coefficient = 0.001
[data]
files = ["text.jsonl"]
[checkpoint]
every_steps = 3
"""
CHAT = """kind = "sft"
model = "runs/{before}/final"
output = "runs/{name}"
[train]
what = "full"
qat = "{qat}"
steps = 10
tokens = 256
[optimiser]
learning_rate = 2e-3
[data]
files = ["chat.jsonl"]
[evaluation]
records = 10
every = 5
[checkpoint]
every_steps = 3
"""
KINDS = ["tokenizer", "pretrain", "chat", "qat"]


@pytest.fixture
def recipe(tmp_path):
    return write_recipes(tmp_path)


def write_recipes(folder):
    folder.mkdir(exist_ok=True)
    chance = random.Random(5)
    words = ["river", "bridge", "garden", "lamp", "window", "morning", "quietly", "stone"]
    texts = [{"text": " ".join(chance.choices(words, k=30)) + f" {chance.randrange(1000)}."} for _ in range(200)]
    chats = [{"messages": [{"role": "user", "content": f"Where is the {word}?"},
                           {"role": "assistant", "content": f"The {word} is in the garden."}]}
             for word in chance.choices(words, k=200)]
    for name, rows in (("text", texts), ("chat", chats)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    (folder / "tokenizer.toml").write_text(TOKENIZER)
    (folder / "pretrain.toml").write_text(PRETRAIN)
    (folder / "chat.toml").write_text(CHAT.format(name="chat", before="pretrain", qat="off"))
    (folder / "qat.toml").write_text(CHAT.format(name="qat", before="chat", qat="linear"))
    recipe = folder / "recipe.toml"
    recipe.write_text('kind = "stages"\nstages = ["' + '", "'.join(f"{kind}.toml" for kind in KINDS) + '"]\n')
    return recipe


def results(folder):
    return {f"{kind}/{file.name}": file.read_bytes() for kind in KINDS
            for file in sorted((folder / "runs" / kind / "final").iterdir())}


def test_stages_make_a_model_that_answers(recipe, tmp_path):
    plan = run_hone("train", recipe, "--dry-run")
    assert plan.returncode == 0, plan.stderr
    assert "stage 1 of 4: tokenizer" in plan.stdout and "distinct" in plan.stdout
    assert f"it reads what is to come: {tmp_path}/runs/pretrain/final of stage 2" in plan.stdout
    assert not (tmp_path / "runs").exists()
    done = run_hone("train", recipe)
    assert done.returncode == 0, done.stderr
    for place, kind in enumerate(["tokenizer", "pretrain", "sft", "sft"], 1):
        assert f"stage {place} of 4: {kind}\n" in done.stdout
    assert "bytes a token" in done.stdout and "done at step 20" in done.stdout
    losses = [json.loads(line)["loss"] for line in (tmp_path / "runs/pretrain/metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0] - 1
    final = results(tmp_path)
    again = run_hone("train", recipe)
    assert again.returncode == 0 and again.stdout.count("finished") == 4 and results(tmp_path) == final, again.stderr
    pack = tmp_path / "tiny.hone"
    packed = run_hone("pack", tmp_path / "runs/qat/final", pack, "--weights", "int4")
    assert packed.returncode == 0, packed.stderr
    with HoneServer(pack, "--threads", 1, "--kv-memory", "4M") as server:
        chat = server.client().chat.completions.create(model="tiny", max_tokens=12, temperature=0,
                                                       messages=[{"role": "user", "content": "Where is the lamp?"}])
        assert chat.usage.completion_tokens > 0 and chat.choices[0].message.content is not None
        ids = server.tokenize("Where is the lamp 42?")
        assert server.post("/detokenize", {"tokens": ids})["prompt"] == "Where is the lamp 42?"


def test_stages_that_are_killed_end_with_the_same_bytes(tmp_path):
    whole, killed = write_recipes(tmp_path / "whole"), write_recipes(tmp_path / "killed")
    assert run_hone("train", whole, "--quiet").returncode == 0
    chance, unfinished = random.Random(2), 0
    for kill in range(12):
        run = subprocess.Popen([BINARY, "train", killed, "--json", "--threads", str(1 + kill % 2)],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
        for _ in range(chance.randrange(2, 12)):  # lines: of stages and of steps
            run.stdout.readline()
        time.sleep(chance.uniform(0, 0.02))
        unfinished += run.poll() is None
        run.kill()
        run.communicate()
    assert unfinished >= 5  # otherwise too many kills met a run that had nothing left to do
    done = run_hone("train", killed, "--quiet")
    assert done.returncode == 0, done.stderr
    expected, final = results(tmp_path / "whole"), results(tmp_path / "killed")
    assert [name for name in expected | final if expected.get(name) != final.get(name)] == []


def test_a_signal_stops_the_stage_and_says_how_to_go_on(recipe, tmp_path):
    (tmp_path / "pretrain.toml").write_text(PRETRAIN.replace("steps = 20", "steps = 100000"))
    run = subprocess.Popen([BINARY, "train", recipe, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           env=ENVIRONMENT)
    assert any('"step":' in line for line in run.stdout), run.communicate()[1]
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 1 and "stage 2 of 4: stopped at step" in err and f"`hone train {recipe}` goes on" in err, err
    assert not (tmp_path / "runs/chat").exists()


def test_what_changed_is_refused_until_a_restart(recipe, tmp_path):
    assert run_hone("train", recipe, "--quiet").returncode == 0
    first = results(tmp_path)
    with (tmp_path / "text.jsonl").open("a") as file:
        file.write(json.dumps({"text": "one more"}) + "\n")
    changed = run_hone("train", recipe)
    assert changed.returncode == 1 and "stage 1 of 4" in changed.stderr and "data.files have changed" in changed.stderr
    (tmp_path / "qat.toml").write_text("kind = \"sft\"\n")
    wrong = run_hone("train", recipe, "--restart")
    assert wrong.returncode == 1 and "qat.toml:" in wrong.stderr and results(tmp_path) == first
    write_recipes(tmp_path)
    with (tmp_path / "text.jsonl").open("a") as file:
        file.write("{}\n")
    wrong = run_hone("train", recipe, "--restart")
    assert wrong.returncode == 1 and "text.jsonl:201: " in wrong.stderr and results(tmp_path) == first
    write_recipes(tmp_path)
    assert run_hone("train", recipe, "--restart", "--quiet").returncode == 0
    assert results(tmp_path) == first


def test_a_restart_is_not_judged_by_what_an_earlier_run_has_left(recipe, tmp_path):
    assert run_hone("train", recipe, "--quiet").returncode == 0
    first = results(tmp_path)
    for kind in ("pretrain", "chat"):
        (tmp_path / "runs" / kind / "final/config.json").write_text("{}")
    (tmp_path / "runs/tokenizer/final/tokenizer.json").unlink()
    assert run_hone("train", recipe, "--dry-run").returncode == 1
    plan = run_hone("train", recipe, "--restart", "--dry-run")
    assert plan.returncode == 0, plan.stderr
    assert f"it reads what is to come: {tmp_path}/runs/chat/final of stage 3" in plan.stdout
    again = run_hone("train", recipe, "--restart", "--quiet")
    assert again.returncode == 0, again.stderr
    assert results(tmp_path) == first


def test_a_tokenizer_of_no_words_is_told_as_json(recipe, tmp_path):
    for name in ("text", "chat"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"text": "<|endoftext|>"}) + "\n")
    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")
    kept = [line for line in TOKENIZER.splitlines() if not line.startswith("config_files")]  # they name ids
    (tmp_path / "tokenizer.toml").write_text("\n".join(kept) + "\n")
    done = run_hone("train", tmp_path / "tokenizer.toml", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line, parse_constant=refuse) for line in done.stdout.splitlines()]
    assert lines[-1]["merges"] == 0 and lines[-1]["bytes_per_token"] is None
