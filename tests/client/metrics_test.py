"""/health, /version and /metrics: what operators and dashboards read."""

import json

# What vLLM's dashboards read, and the fleet's routers.
VLLM = {
    "gauge": ["num_requests_running", "num_requests_waiting", "kv_cache_usage_perc", "cache_config_info"],
    "counter": ["prefix_cache_queries", "prefix_cache_hits", "prompt_tokens", "generation_tokens", "num_preemptions",
                "request_success"],
    "histogram": ["time_to_first_token_seconds", "inter_token_latency_seconds", "e2e_request_latency_seconds",
                  "request_queue_time_seconds", "request_prefill_time_seconds", "request_decode_time_seconds",
                  "request_inference_time_seconds", "request_prompt_tokens", "request_generation_tokens",
                  "request_params_n", "request_params_max_tokens", "iteration_tokens_total"],
}
HONE = {
    "gauge": ["kv_pages_total", "kv_pages_in_use", "kv_pages_cached"],
    "counter": ["requests_submitted", "requests_finished", "requests_cancelled", "engine_steps", "engine_busy_seconds",
                "http_responses"],
    "histogram": [],
}
EXPECTED = {kind: [f"vllm:{name}" for name in VLLM[kind]] + [f"hone_{name}" for name in HONE[kind]] for kind in VLLM}


def test_health(server):
    status, _, body = server.request("GET", "/health")
    assert status == 200 and json.loads(body) == {"status": "ok"}


def test_version(server):
    status, _, body = server.request("GET", "/version")
    assert status == 200 and json.loads(body)["version"]


def test_every_family_has_its_type_and_the_model(server, model):
    server.post("/v1/completions", {"prompt": "x", "max_tokens": 2})
    families = server.metric_families()
    for kind, names in EXPECTED.items():
        for name in names:
            assert families[name].type == kind and families[name].documentation
    of_model = [name for names in EXPECTED.values() for name in names if name != "hone_http_responses"]
    for sample in (sample for name in of_model for sample in families[name].samples):
        assert {"model_name": model, "engine": "0"}.items() <= sample.labels.items()
    config = families["vllm:cache_config_info"].samples[0]
    assert config.value == 1 and int(config.labels["block_size"]) == 64
    assert int(config.labels["num_gpu_blocks"]) == server.metric("hone_kv_pages_total")


def test_histograms_are_cumulative(server):
    server.post("/v1/completions", {"prompt": "x", "max_tokens": 5, "ignore_eos": True})
    families = server.metric_families()
    for name in EXPECTED["histogram"]:
        buckets = [sample for sample in families[name].samples if sample.name == f"{name}_bucket"]
        counts = [sample.value for sample in buckets]
        assert buckets[-1].labels["le"] == "+Inf" and counts == sorted(counts)
        assert counts[-1] == server.metric(f"{name}_count") > 0


def test_counters_move_by_what_was_done(server, client, model):
    prompt = "A prompt that is counted"
    names = ["hone_requests_submitted_total", "hone_requests_finished_total", "vllm:prompt_tokens_total",
             "vllm:generation_tokens_total", "vllm:time_to_first_token_seconds_count",
             "vllm:inter_token_latency_seconds_count", "vllm:e2e_request_latency_seconds_count",
             "vllm:request_params_max_tokens_sum", "vllm:request_params_n_sum", "vllm:request_queue_time_seconds_count",
             "vllm:request_decode_time_seconds_count", "vllm:request_generation_tokens_sum",
             "vllm:iteration_tokens_total_sum", "vllm:prefix_cache_queries_total"]
    before = {name: server.metric(name) for name in names}
    ended_before = server.metric("vllm:request_success_total", finished_reason="length")
    client.completions.create(model=model, prompt=prompt, max_tokens=7, n=2,
                              extra_body={"ignore_eos": True, "cache_salt": "counted"})
    moved = [server.metric(name) - before[name] for name in names]
    length = len(server.tokenize(prompt))
    computed = length + 1 + 12  # the second choice takes over the first one's prompt but for its last token
    assert moved == [2, 2, 2 * length, 14, 2, 12, 2, 14, 2, 2, 2, 14, computed, 2 * length]
    assert server.metric("vllm:request_success_total", finished_reason="length") == ended_before + 2
    assert server.metric("hone_engine_busy_seconds_total") > 0


def test_phases_add_up(server):
    phases = [f"vllm:request_{phase}_time_seconds_sum" for phase in ("queue", "prefill", "decode", "inference")]
    before = [server.metric(name) for name in phases]
    server.post("/v1/completions", {"prompt": "x" * 500, "max_tokens": 20, "ignore_eos": True})
    queue, prefill, decode, inference = (server.metric(name) - was for name, was in zip(phases, before))
    assert queue >= 0 and prefill > 0 and decode > 0
    assert abs(prefill + decode - inference) < 1e-9


def test_answers_are_counted_by_route_and_status(server):
    def count(route, code):
        return server.metric("hone_http_responses_total", route=route, code=str(code))

    before = count("/v1/completions", 200), count("/v1/completions", 400), count("other", 404)
    server.post("/v1/completions", {"prompt": "x", "max_tokens": 1})
    assert server.request("POST", "/v1/completions", {"prompt": "x", "max_tokens": -1})[0] == 400
    assert server.request("GET", "/secret/of/one/client")[0] == 404
    assert (count("/v1/completions", 200), count("/v1/completions", 400), count("other", 404)) \
        == tuple(value + 1 for value in before)
    assert not server.metric("hone_http_responses_total", route="/secret/of/one/client")


def test_an_idle_server_is_empty(server):
    server.wait_until_idle()
    assert server.metric("hone_kv_pages_total") > 0
