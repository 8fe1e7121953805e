"""What a request gets depends on nothing but the request: 32 at once give the token ids and the bits of the
log-probabilities that they give one by one, whatever the server's threads, batch, chunks, cache and kernels are."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from answers import choices_of
from conftest import MODEL
from hone_server import HoneServer

COUNT = 32
LONGEST = 600  # tokens of a prompt: more than one chunk of a step, many pages


def make_requests(vocabulary):
    """Mixed prompts, lengths, choices, endpoints and sampling; some share the beginning of their prompts."""
    draw = random.Random(20)
    shared = [draw.randrange(3, vocabulary) for _ in range(LONGEST)]
    requests = []
    for number in range(COUNT):
        fields = {"max_tokens": draw.randint(1, 40), "seed": draw.randrange(2**40), "stream": draw.random() < 0.5,
                  "temperature": draw.choice([0, 0.6, 1, 1.7]), "top_p": draw.choice([1, 0.8]),
                  "n": draw.choice([1, 1, 1, 3])}
        extra = {"ignore_eos": True, "return_token_ids": True, "top_k": draw.choice([0, 0, 40]),
                 "min_p": draw.choice([0, 0.05]), "repetition_penalty": draw.choice([1, 1, 1.2])}
        if number % 4 == 0:
            text = "".join(draw.choices("abcdefgh ,.", k=draw.randint(1, 300)))
            fields |= {"messages": [{"role": "user", "content": text}], "logprobs": True, "top_logprobs": 3}
        else:
            length = draw.randint(1, draw.choice([20, 100, 100, LONGEST]))
            own = [draw.randrange(3, vocabulary) for _ in range(length)]
            kept = draw.choice([0, length // 2, length])
            fields |= {"prompt": shared[:kept] + own[kept:], "logprobs": 3}
            if not fields["stream"]:
                extra["prompt_logprobs"] = draw.choice([0, 2])
        requests.append(fields | {"extra_body": extra})
    return requests


def ask(server, fields):
    with server.client() as client:
        api = client.chat.completions if "messages" in fields else client.completions
        answer = api.create(model=MODEL.name, **fields)
        choices = choices_of(answer)
        return choices, [getattr(choice, "prompt_logprobs", None) for choice in getattr(answer, "choices", [])]


def ask_all_at_once(server, requests):
    with ThreadPoolExecutor(COUNT) as clients:
        return list(clients.map(lambda fields: ask(server, fields), requests))


@pytest.fixture(scope="module")
def requests(vocabulary):
    return make_requests(vocabulary)


@pytest.fixture(scope="module", params=["auto", "int4"])
def weights(request):
    return request.param


@pytest.fixture(scope="module")
def one_by_one(weights, requests):
    """The answers of a server that has one thread and one request at a time, and remembers nothing."""
    with HoneServer(MODEL, "--weights", weights, "--threads", 1, "--max-streams", 1, "--no-prefix-cache",
                    "--kv-memory", "8M") as server:
        answers = [ask(server, fields) for fields in requests]
    assert all(choice.token_ids and len(choice.token_ids) == len(choice.logprobs)
               for choices, _ in answers for choice in choices)
    return answers


SERVERS = {
    "as it comes": [],
    "one thread": ["--threads", 1],
    "two threads, small steps": ["--threads", 2, "--token-budget", 37, "--max-streams", 7],
    "layered prefill": ["--threads", 2, "--prefill", "layered", "--token-budget", 100],
    "no prefix cache": ["--threads", 2, "--no-prefix-cache", "--token-budget", 1000],
    "plain kernels": ["--threads", 2, "--isa", "reference"],
}
CASES = [("auto", name) for name in SERVERS]
CASES += [("int4", name) for name in ("two threads, small steps", "layered prefill")]


@pytest.mark.parametrize("weights, name", CASES, indirect=["weights"], scope="module")
def test_32_at_once_are_as_one_by_one(one_by_one, requests, weights, name):
    with HoneServer(MODEL, "--weights", weights, "--kv-memory", "8M", *SERVERS[name]) as server:
        assert ask_all_at_once(server, requests) == one_by_one
        server.wait_until_idle()
        steps, tokens = (server.metric(name) for name in ("hone_engine_steps_total", "vllm:generation_tokens_total"))
        assert 0 < steps < tokens, "none ran together: alone, a sequence takes a step for each token"


def test_again_from_the_cache(one_by_one, requests, weights):
    with HoneServer(MODEL, "--weights", weights, "--threads", 1, "--kv-memory", "8M") as server:
        ask_all_at_once(server, requests)
        hits = server.metric("vllm:prefix_cache_hits_total")
        assert ask_all_at_once(server, requests) == one_by_one
        assert server.metric("vllm:prefix_cache_hits_total") > hits + 1000


def test_with_preemption(weights, vocabulary):
    """Twelve sequences that grow to seven pages each, with memory for sixteen: some lose theirs and begin again."""
    draw = random.Random(21)
    requests = [{"prompt": [draw.randrange(3, vocabulary) for _ in range(draw.randint(1, 60))], "max_tokens": 380,
                 "seed": seed, "logprobs": 1, "stream": seed % 2 == 0,
                 "extra_body": {"ignore_eos": True, "return_token_ids": True}} for seed in range(12)]
    flags = ["--weights", weights, "--threads", 1, "--no-prefix-cache", "--kv-memory"]
    with HoneServer(MODEL, *flags, "16M") as roomy, HoneServer(MODEL, *flags, "1M") as tight:
        alone = [ask(roomy, fields) for fields in requests]
        for _ in range(10):  # on a busy machine they may come so far apart that there is room for all
            assert ask_all_at_once(tight, requests) == alone
            if tight.metric("vllm:num_preemptions_total") > 0:
                break
        assert not roomy.metric("vllm:num_preemptions_total") and tight.metric("vllm:num_preemptions_total") > 0


def test_the_numeric_class_shows_in_the_answer(weights):
    with HoneServer(MODEL, "--weights", weights, "--kv-memory", "4M") as server:
        answer = server.post("/v1/completions", {"prompt": "x", "max_tokens": 1})
    assert answer["hone"]["numeric_class"] == {"auto": "f32seq", "int4": "i8g32"}[weights]
    assert answer["system_fingerprint"].endswith(answer["hone"]["numeric_class"])


@pytest.mark.parametrize("flag", ["--class", "--activations"])
def test_the_class_of_int4_can_be_chosen(flag):
    with HoneServer(MODEL, "--weights", "int4", flag, "i8p32", "--kv-memory", "4M") as server:
        assert server.post("/v1/completions", {"prompt": "x", "max_tokens": 1})["hone"]["numeric_class"] == "i8p32"
