"""`hone train`: steps, results and mistakes on the command line; and a run that is killed again and again ends with the
bits of one that never was."""

import json
import random
import shutil
import signal
import subprocess
import time

import pytest
from hone_server import BINARY, TESTS, run_hone

MODEL = TESTS / "golden/training/models/moe"


def recipe_in(folder, output="out", steps=8, train="", rest=""):
    data = folder / "data.jsonl"
    if not data.exists():
        rows = [{"tokens": [3 + (i * 7 + j * 5) % 60 for j in range(8 + i % 5)]} for i in range(24)]
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = folder / f"{output}.toml"
    recipe.write_text(f"""kind = "sft"
model = "{MODEL}"
output = "{output}"
[train]
steps = {steps}
tokens = 64
{train}
[data]
files = ["data.jsonl"]
[evaluation]
records = 2
every = 3
[checkpoint]
every_steps = 2
{rest}""")
    return recipe


def test_a_run_tells_its_steps_and_leaves_its_result(tmp_path):
    recipe = recipe_in(tmp_path)
    done = run_hone("train", recipe, "--json", "--threads", 1)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 9))
    assert lines[-1]["loss"] > 0 and lines[-1]["tokens_per_second"] > 0 and lines[2]["evaluation_loss"] > 0
    out = tmp_path / "out"
    assert (out / "final/adapter_config.json").exists()
    metrics = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in metrics if "loss" in line] == [line["loss"] for line in lines]
    page = (out / "report.html").read_text()
    assert "polyline" in page and "lora.rank" in page and "<script" not in page
    again = run_hone("train", recipe)
    assert again.returncode == 0 and "finished at step 8" in again.stdout


def test_a_run_that_stops_at_a_step_goes_on_to_the_same_bits(tmp_path):
    assert run_hone("train", recipe_in(tmp_path), "--quiet").returncode == 0
    whole = (tmp_path / "out/final/adapter_model.safetensors").read_bytes()
    recipe = recipe_in(tmp_path, output="parts")
    for _ in range(2):  # the second time there is nothing left to do
        left_off = run_hone("train", recipe, "--stop-at", 3)
        assert left_off.returncode == 0 and "stopped at step 3 of 8, which is saved" in left_off.stdout
    assert not (tmp_path / "parts/final").exists() and (tmp_path / "parts/checkpoints/step-00000003").is_dir()
    assert run_hone("train", recipe, "--quiet").returncode == 0
    assert (tmp_path / "parts/final/adapter_model.safetensors").read_bytes() == whole
    stages = tmp_path / "stages.toml"
    stages.write_text('kind = "stages"\nstages = ["out.toml"]\n')
    refused = run_hone("train", stages, "--stop-at", 3)
    assert refused.returncode == 1 and f"{stages}: --stop-at counts the steps of one job" in refused.stderr


def test_memory_for_activations_changes_no_bit(tmp_path):
    results = []
    for size in ["1", "8K", "1G"]:
        done = run_hone("train", recipe_in(tmp_path, output=size, steps=3), "--quiet", "--activation-memory", size)
        assert done.returncode == 0, done.stderr
        results.append((tmp_path / size / "final/adapter_model.safetensors").read_bytes())
    assert results[0] == results[1] == results[2]
    done = run_hone("train", recipe_in(tmp_path), "--activation-memory", "much")
    assert done.returncode == 1 and "--activation-memory: 'much' is no amount of memory" in done.stderr


def test_a_longer_run_that_is_killed_before_its_result_writes_it_when_it_is_started_again(tmp_path):
    assert run_hone("train", recipe_in(tmp_path, steps=4)).returncode == 0
    shutil.copytree(tmp_path / "out/final", tmp_path / "old")
    recipe = recipe_in(tmp_path, steps=8)
    assert run_hone("train", recipe).returncode == 0
    final = tmp_path / "out/final"
    expected = (final / "adapter_model.safetensors").read_bytes()
    shutil.rmtree(final)
    (tmp_path / "old").rename(final)  # as if it had been killed behind its last checkpoint
    again = run_hone("train", recipe)
    assert again.returncode == 0 and "done at step 8" in again.stdout, again.stderr
    assert (final / "adapter_model.safetensors").read_bytes() == expected
    assert "finished at step 8" in run_hone("train", recipe).stdout


def test_a_dry_run_writes_nothing(tmp_path):
    done = run_hone("train", recipe_in(tmp_path), "--dry-run")
    assert done.returncode == 0 and "8 steps" in done.stdout and "memory: about" in done.stdout, done.stderr
    assert not (tmp_path / "out").exists()


def test_a_plan_tells_what_data_lose_and_how_far_the_job_is(tmp_path):
    recipe = recipe_in(tmp_path, rest="[optimiser]\nlearning_rate = 1e-3\n")
    rows = [{"tokens": [3, 4, 5], "mask": [0, int(i > 5), 1]} for i in range(12)] + [{"tokens": [3], "mask": [1]}] * 4
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = run_hone("train", recipe, "--dry-run")
    assert plan.returncode == 0 and " records with nothing to train on" in plan.stdout, plan.stderr
    assert " records with nothing to train on; train.tokens, data.max_tokens" in plan.stderr
    line = json.loads(run_hone("train", recipe, "--dry-run", "--json").stdout)
    assert line["training_data"]["records"] == 14 and line["evaluation_data"]["records"] == 2
    assert line["training_data"]["without_targets"] + line["evaluation_data"]["without_targets"] == 4
    assert run_hone("train", recipe, "--quiet").returncode == 0
    assert "which is at step 8" in run_hone("train", recipe, "--dry-run").stdout
    recipe.write_text(recipe.read_text().replace("1e-3", "1e-2"))
    refused = run_hone("train", recipe, "--dry-run")
    assert refused.returncode == 1 and "optimiser.learning_rate" in refused.stderr and "step 8" in refused.stdout
    (tmp_path / "data.jsonl").write_text("{}\n" + (json.dumps(rows[0]) + "\n") * 3)
    wrong = run_hone("train", recipe, "--dry-run")
    assert wrong.returncode == 1 and "data.jsonl:1: " in wrong.stderr


def test_mistakes_say_where_and_what_to_do(tmp_path):
    recipe = recipe_in(tmp_path, rest="every_stp = 1\n")
    done = run_hone("train", recipe)
    assert done.returncode == 1 and f"{recipe}:15: checkpoint.every_stp is no key that is known here" in done.stderr
    assert run_hone("train", recipe_in(tmp_path)).returncode == 0
    other = run_hone("train", recipe_in(tmp_path, rest="[lora]\nrank = 4\n"))
    assert other.returncode == 1 and 'lora.rank is "4"' in other.stderr and "--restart" in other.stderr


def test_a_signal_saves_and_says_how_to_go_on(tmp_path):
    recipe = recipe_in(tmp_path, steps=100000, rest="every_minutes = 0\n")
    run = subprocess.Popen([BINARY, "train", recipe, "--json", "--threads", "1"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
    run.stdout.readline()
    run.send_signal(signal.SIGTERM)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 1 and "goes on from there" in err, err
    saved = json.loads(out.splitlines()[-1])["step"] if out else 1
    more = run_hone("train", recipe_in(tmp_path, steps=saved + 2), "--json")
    assert [json.loads(line)["step"] for line in more.stdout.splitlines()] == [saved + 1, saved + 2], more.stderr


@pytest.mark.parametrize("train", ["", 'what = "full"\nqat = "experts"\naccumulate = 2'])
def test_killed_twenty_times_it_ends_with_the_same_bits(tmp_path, train):
    assert run_hone("train", recipe_in(tmp_path, "whole", 160, train), "--quiet").returncode == 0
    metrics = [json.loads(line) for line in (tmp_path / "whole/metrics.jsonl").read_text().splitlines()]
    seconds = sum(line.get("seconds", 0) for line in metrics) / 160  # of a step
    recipe = recipe_in(tmp_path, "killed", 160, train)
    chance, unfinished = random.Random(1), 0
    for kill in range(20):
        run = subprocess.Popen([BINARY, "train", recipe, "--json", "--threads", str(1 + kill % 2)],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(chance.randrange(4)):  # steps; none: while it starts
            run.stdout.readline()
        time.sleep(chance.uniform(0, 2 * seconds))
        unfinished += run.poll() is None
        run.kill()
        run.communicate()
    assert unfinished >= 10  # otherwise too many kills met a run that had nothing left to do
    assert (tmp_path / "killed/metrics.jsonl").stat().st_size > 0
    done = run_hone("train", recipe, "--quiet")
    assert done.returncode == 0, done.stderr
    for file in (tmp_path / "whole/final").iterdir():
        if file.suffix == ".safetensors":
            assert file.read_bytes() == (tmp_path / "killed/final" / file.name).read_bytes(), file.name
    without_times = [[{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in
                      (tmp_path / run / "metrics.jsonl").read_text().splitlines()] for run in ("whole", "killed")]
    assert without_times[0] == without_times[1]


def test_preferences_from_random_weights(tmp_path):
    shape = tmp_path / "shape"
    shape.mkdir()
    config = json.loads((MODEL / "config.json").read_text())
    (shape / "config.json").write_text(json.dumps(config | {"vocab_size": 32064}))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (shape / name).write_bytes((TESTS / "golden/text/tokenizers/llama2" / name).read_bytes())
    pairs = [{"prompt": f"{i}+1=", "chosen": str(i + 1), "rejected": str(i + 3)} for i in range(20)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    recipe = tmp_path / "dpo.toml"
    recipe.write_text("""kind = "dpo"
output = "out"
[architecture]
config = "shape/config.json"
[train]
steps = 12
tokens = 512
[optimiser]
learning_rate = 1e-3
[dpo]
beta = 0.3
[data]
files = ["pairs.jsonl"]
""")
    done = run_hone("train", recipe, "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["loss"] == pytest.approx(0.6931, abs=1e-3)  # the student is its reference
    assert lines[-1]["loss"] < 0.6 and lines[-1]["accuracy"] > 0.9
    assert (tmp_path / "out/final/model.safetensors").exists() and (tmp_path / "out/final/tokenizer.json").exists()
