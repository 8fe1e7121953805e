"""/health, /version and /metrics: what operators and dashboards read."""

import json

EXPECTED = {
    "gauge": ["hone_num_requests_running", "hone_num_requests_waiting", "hone_kv_pages_total", "hone_kv_pages_in_use",
              "hone_kv_pages_cached", "hone_kv_cache_usage_perc"],
    "counter": ["hone_requests_submitted", "hone_requests_finished", "hone_requests_cancelled", "hone_prompt_tokens",
                "hone_cached_tokens", "hone_generation_tokens", "hone_num_preemptions", "hone_engine_steps",
                "hone_engine_busy_seconds", "hone_http_responses", "hone_request_success"],
    "histogram": ["hone_time_to_first_token_seconds", "hone_inter_token_latency_seconds",
                  "hone_e2e_request_latency_seconds", "hone_request_prompt_tokens", "hone_request_params_max_tokens"],
}


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
    own = [sample for name in EXPECTED["gauge"] for sample in families[name].samples]
    assert all(sample.labels == {"model_name": model} for sample in own)


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
    names = ["hone_requests_submitted_total", "hone_requests_finished_total", "hone_prompt_tokens_total",
             "hone_generation_tokens_total", "hone_time_to_first_token_seconds_count",
             "hone_inter_token_latency_seconds_count", "hone_e2e_request_latency_seconds_count",
             "hone_request_params_max_tokens_sum"]
    before = {name: server.metric(name) for name in names}
    ended_before = server.metric("hone_request_success_total", finished_reason="length")
    client.completions.create(model=model, prompt=prompt, max_tokens=7, n=2, extra_body={"ignore_eos": True})
    moved = [server.metric(name) - before[name] for name in names]
    assert moved == [2, 2, 2 * len(server.tokenize(prompt)), 14, 2, 12, 2, 14]
    assert server.metric("hone_request_success_total", finished_reason="length") == ended_before + 2
    assert server.metric("hone_engine_busy_seconds_total") > 0


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
