"""`hone serve --train`: a job beside the requests makes what it makes alone, to the bit, and each of its versions is
served."""

import signal
import threading

import pytest
from conftest import MODEL
from hone_server import HoneServer, run_hone, wait_until

FLAGS = ["--threads", 2, "--kv-memory", "64M", "--max-context", 4096]


def recipe_in(folder, output, steps=60, model=MODEL, rest=""):
    data = folder / "data.jsonl"
    if not data.exists():
        data.write_text("".join(f'{{"tokens": {[3 + (i * 7 + j * 5) % 200 for j in range(40 + i % 9)]}}}\n'
                                for i in range(40)))
    recipe = folder / f"{output}.toml"
    recipe.write_text(f"""kind = "pretrain"
model = "{model}"
output = "{output}"
[train]
steps = {steps}
tokens = 256
{rest}
[data]
files = ["data.jsonl"]
append_eos = false
[optimiser]
learning_rate = 1e-2
[evaluation]
records = 3
every = 7
[checkpoint]
every_steps = 0
every_minutes = 0
""")
    return recipe


def factors(folder, output):
    return (folder / output / "final/adapter_model.safetensors").read_bytes()


def answer(server, model, **fields):
    body = {"model": model, "prompt": [5, 9, 7, 3], "max_tokens": 24, "temperature": 0, "ignore_eos": True,
            "logprobs": 1, **fields}
    return server.post("/v1/completions", body)


def wait_for_the_end(server):
    wait_until(lambda: server.metric("hone_training_running") == 0, 60, "the end of training")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder of a run by itself."""
    folder = tmp_path_factory.mktemp("alone")
    done = run_hone("train", recipe_in(folder, "lora"), "--quiet")
    assert done.returncode == 0, done.stderr
    return folder


def test_a_job_beside_requests_makes_what_it_makes_alone(alone, tmp_path):
    recipe = recipe_in(tmp_path, "lora")
    with HoneServer(MODEL, *FLAGS, "--train", recipe) as server:
        versions, stopping = [], threading.Event()

        def ask(model):
            while not stopping.is_set():
                said = answer(server, model)
                assert said["choices"][0]["finish_reason"] == "length"
                versions.append(said["hone"].get("adapter", {}).get("version", 0))

        askers = [threading.Thread(target=ask, args=(name,)) for name in ("lora", MODEL.name)]
        for asker in askers:
            asker.start()
        wait_for_the_end(server)
        stopping.set()
        for asker in askers:
            asker.join()
        assert server.metric("hone_training_step") == 60 and server.metric("hone_adapter_version") == 61
        assert server.metric("hone_training_tokens_total") > 60 * 200 and server.metric("hone_training_seconds_total") > 0
        served = [version for version in versions if version]
        assert len(set(served)) > 1 and 0 in versions, versions
        trained = answer(server, "lora")
    assert factors(tmp_path, "lora") == factors(alone, "lora")
    # The last version is what the folder holds.
    with HoneServer(MODEL, *FLAGS, "--adapter", f"lora={tmp_path / 'lora/final'}") as server:
        loaded = answer(server, "lora")
    assert loaded["hone"]["adapter"]["fingerprint"] == trained["hone"]["adapter"]["fingerprint"]
    assert loaded["choices"][0]["logprobs"] == trained["choices"][0]["logprobs"]


def test_a_server_that_stops_saves_and_goes_on(alone, tmp_path):
    recipe = recipe_in(tmp_path, "lora")
    steps = []
    for _ in range(3):
        with HoneServer(MODEL, *FLAGS, "--train", f"mine={recipe}") as server:
            steps.append(server.metric("hone_training_step"))
            wait_until(lambda: server.metric("hone_training_step") >= steps[-1] + 5
                       or not server.metric("hone_training_running"), 60, "five steps")
            assert answer(server, "mine")["hone"]["adapter"]["name"] == "mine"
            server.signal(signal.SIGTERM)
            assert server.wait() == 0
    assert steps[1] >= 5 and steps[2] > steps[1], steps
    with HoneServer(MODEL, *FLAGS, "--train", recipe) as server:
        wait_for_the_end(server)
    assert factors(tmp_path, "lora") == factors(alone, "lora")


def test_mistakes_are_told_before_anything_is_served(tmp_path):
    recipe = recipe_in(tmp_path, "lora")

    def mistake(*flags):
        done = run_hone("serve", MODEL, *FLAGS, "--port", 0, *flags)
        assert done.returncode == 1
        return done.stderr

    full = recipe_in(tmp_path, "full", rest='what = "full"')
    assert 'train.what is "full"' in mistake("--train", full)
    other = recipe_in(tmp_path, "other", model=MODEL.parent / "olmoe")
    assert "but the server has" in mistake("--train", other)
    assert "train.weights are others" in mistake("--weights", "int4", "--train", recipe)
    assert "NAME=RECIPE.toml" in mistake("--train", f"{MODEL.name}={recipe}")
    assert "none.toml" in mistake("--train", tmp_path / "none.toml")
