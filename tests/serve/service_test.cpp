// The routes over a scripted generator: shapes of answers, stops, streams, cancelling.
#include "tests/serve/service_fixture.h"

namespace hone::serve {
namespace {

namespace json = boost::json;

TEST_F(ServiceTest, Completes) {
    start();
    const Answer answer = post("/v1/completions", R"({"model":"tiny","prompt":"abc","max_tokens":50,"seed":7})");
    ASSERT_EQ(answer.status, 200) << answer.body;
    const json::value body = answer.json();
    EXPECT_TRUE(at(body, {"id"}).as_string().starts_with("cmpl-"));
    EXPECT_EQ(at(body, {"object"}), json::value("text_completion"));
    EXPECT_EQ(at(body, {"system_fingerprint"}), json::value("hone-1.2.3-f32seq"));
    EXPECT_EQ(at(body, {"choices", size_t{0}, "text"}), json::value("hello"));
    EXPECT_EQ(at(body, {"choices", size_t{0}, "finish_reason"}), json::value("stop"));
    EXPECT_TRUE(at(body, {"choices", size_t{0}, "stop_reason"}).is_null());
    EXPECT_TRUE(at(body, {"choices", size_t{0}, "logprobs"}).is_null());
    EXPECT_EQ(
        json::serialize(at(body, {"usage"})),
        R"({"prompt_tokens":3,"completion_tokens":6,"total_tokens":9,"prompt_tokens_details":{"cached_tokens":64}})");
    EXPECT_EQ(json::serialize(at(body, {"hone"})), R"({"numeric_class":"f32seq","seed":7})");
    const auto requests = generator_.requests();
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_EQ(requests[0].prompt, byte_tokens("abc"));
    EXPECT_EQ(requests[0].sampling.seed, 7u);
    EXPECT_EQ(requests[0].sampling.stop_ids, (std::vector<int32_t>{2}));
}

TEST_F(ServiceTest, ChatsWithTheTemplate) {
    start();
    const Answer answer =
        post("/v1/chat/completions", R"({"messages":[{"role":"user","content":"hi"}],"max_completion_tokens":3})");
    ASSERT_EQ(answer.status, 200) << answer.body;
    const json::value body = answer.json();
    EXPECT_TRUE(at(body, {"id"}).as_string().starts_with("chatcmpl-"));
    EXPECT_EQ(at(body, {"object"}), json::value("chat.completion"));
    EXPECT_EQ(at(body, {"choices", size_t{0}, "message", "content"}), json::value("hel"));
    EXPECT_EQ(at(body, {"choices", size_t{0}, "message", "role"}), json::value("assistant"));
    EXPECT_EQ(at(body, {"choices", size_t{0}, "finish_reason"}), json::value("length"));
    EXPECT_EQ(generator_.requests()[0].sampling.max_tokens, 3);
    EXPECT_EQ(tokenizer_->decode(generator_.requests()[0].prompt, false),
              "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
}

TEST_F(ServiceTest, ChatGoesToTheEndOfTheContextByDefault) {
    start();
    ASSERT_EQ(post("/v1/chat/completions", R"({"messages":[{"role":"user","content":"hi"}]})").status, 200);
    const auto request = generator_.requests()[0];
    EXPECT_EQ(request.sampling.max_tokens, 1000 - static_cast<int32_t>(request.prompt.size()));
}

TEST_F(ServiceTest, ChoicesShareASeedAndDifferInTheirIndex) {
    start();
    const Answer answer = post("/v1/completions", R"({"prompt":["ab","c"],"n":3,"max_tokens":2})");
    ASSERT_EQ(answer.status, 200) << answer.body;
    const json::value body = answer.json();
    ASSERT_EQ(at(body, {"choices"}).as_array().size(), 6u);
    for (size_t i = 0; i < 6; ++i) EXPECT_EQ(at(body, {"choices", i, "index"}), json::value(i));
    EXPECT_EQ(at(body, {"usage", "prompt_tokens"}), json::value(3));
    EXPECT_EQ(at(body, {"usage", "completion_tokens"}), json::value(12));
    const auto requests = generator_.requests();
    ASSERT_EQ(requests.size(), 6u);
    for (size_t i = 0; i < 6; ++i) {
        EXPECT_EQ(requests[i].sampling.choice, static_cast<int32_t>(i % 3));
        EXPECT_EQ(requests[i].sampling.seed, requests[0].sampling.seed);
        EXPECT_EQ(requests[i].prompt, byte_tokens(i < 3 ? "ab" : "c"));
    }
    EXPECT_EQ(at(body, {"hone", "seed"}), json::value(*requests[0].sampling.seed));
    EXPECT_LT(*requests[0].sampling.seed, uint64_t{1} << 53);
}

TEST_F(ServiceTest, StopStringsAreCutAtAnyTokenBorder) {
    start();
    generator_.script("one two STOP three", 1, false);  // waits after it: only cancelling ends the sequence
    for (const bool include : {false, true}) {
        const Answer answer =
            post("/v1/completions", fmt::format(R"({{"prompt":"a","stop":["nope","STOP"],"max_tokens":100,)"
                                                R"("include_stop_str_in_output":{},"return_token_ids":true}})",
                                                include));
        ASSERT_EQ(answer.status, 200) << answer.body;
        const json::value body = answer.json();
        EXPECT_EQ(at(body, {"choices", size_t{0}, "text"}), json::value(include ? "one two STOP" : "one two "));
        EXPECT_EQ(at(body, {"choices", size_t{0}, "finish_reason"}), json::value("stop"));
        EXPECT_EQ(at(body, {"choices", size_t{0}, "stop_reason"}), json::value("STOP"));
        EXPECT_EQ(at(body, {"choices", size_t{0}, "token_ids"}).as_array().size(), 12u);
        EXPECT_EQ(at(body, {"usage", "completion_tokens"}), json::value(12));
    }
    EXPECT_TRUE(eventually([&] { return generator_.cancellations() == 2; }));
}

TEST_F(ServiceTest, StopStringsWaitForTheLeastNumberOfTokens) {
    start();
    generator_.script("a.b.c.d");
    const Answer answer = post("/v1/completions", R"({"prompt":"a","stop":".","min_tokens":3,"max_tokens":100})");
    EXPECT_EQ(at(answer.json(), {"choices", size_t{0}, "text"}), json::value("a.b"));
}

TEST_F(ServiceTest, StreamsTheSameText) {
    start();
    generator_.script("one \xE4\xB8\xAD two STOP three");
    Call call;
    send(call,
         request(
             "POST", "/v1/completions",
             R"({"prompt":"a","stop":"STOP","max_tokens":100,"stream":true,"stream_options":{"include_usage":true}})"));
    const Answer& answer = call.wait();
    ASSERT_EQ(answer.status, 200);
    EXPECT_EQ(answer.content_type, "text/event-stream; charset=utf-8");
    EXPECT_TRUE(answer.complete);
    const auto events = answer.events();
    ASSERT_GT(events.size(), 3u);
    EXPECT_EQ(events.back(), "[DONE]");
    std::string text;
    for (size_t i = 0; i + 2 < events.size(); ++i) {
        const json::value chunk = json::parse(events[i]);
        text += std::string(at(chunk, {"choices", size_t{0}, "text"}).as_string());
        EXPECT_TRUE(at(chunk, {"usage"}).is_null());
        EXPECT_EQ(chunk.as_object().contains("hone"), i == 0);
        EXPECT_EQ(at(chunk, {"choices", size_t{0}, "finish_reason"}).is_null(), i + 3 < events.size());
    }
    EXPECT_EQ(text, "one \xE4\xB8\xAD two ");
    const json::value last = json::parse(events[events.size() - 2]);
    EXPECT_TRUE(at(last, {"choices"}).as_array().empty());
    EXPECT_EQ(at(last, {"usage", "completion_tokens"}), json::value(16));
}

TEST_F(ServiceTest, ChatStreamsBeginWithTheRole) {
    start();
    Call call;
    send(call,
         request(
             "POST", "/v1/chat/completions",
             R"({"messages":[{"role":"user","content":"hi"}],"stream":true,"n":2,"logprobs":true,"top_logprobs":2})"));
    const auto events = call.wait().events();
    std::map<int64_t, std::string> texts;
    std::map<int64_t, size_t> logprobs;
    std::set<int64_t> finished;
    for (size_t i = 0; i + 1 < events.size(); ++i) {
        const json::value chunk = json::parse(events[i]);
        EXPECT_EQ(at(chunk, {"object"}), json::value("chat.completion.chunk"));
        const json::value& choice = at(chunk, {"choices", size_t{0}});
        const int64_t index = choice.at("index").as_int64();
        const json::object& delta = choice.at("delta").as_object();
        EXPECT_EQ(delta.contains("role"), !texts.contains(index));
        texts[index] += delta.contains("content") ? std::string(delta.at("content").as_string()) : "";
        logprobs[index] += at(choice, {"logprobs", "content"}).as_array().size();
        EXPECT_EQ(at(choice, {"hone", "processed_logprobs"}).as_array().size(),
                  at(choice, {"logprobs", "content"}).as_array().size());
        if (!choice.at("finish_reason").is_null()) finished.insert(index);
    }
    EXPECT_EQ(texts, (std::map<int64_t, std::string>{{0, "hello"}, {1, "hello"}}));
    EXPECT_EQ(logprobs, (std::map<int64_t, size_t>{{0, 6}, {1, 6}}));
    EXPECT_EQ(finished.size(), 2u);
}

TEST_F(ServiceTest, StreamsAreValidUtf8WhateverTheTokensAre) {
    start();
    generator_.script("a\xE4\xB8 b\xFF\xE4\xB8\xAD \xF0\x9F\x98");
    Call call;
    send(call, request("POST", "/v1/completions", R"({"prompt":"a","max_tokens":100,"stream":true,"logprobs":1})"));
    const auto events = call.wait().events();
    std::string text;
    for (size_t i = 0; i + 1 < events.size(); ++i)
        text += std::string(at(json::parse(events[i]), {"choices", size_t{0}, "text"}).as_string());
    EXPECT_EQ(text, "a\xEF\xBF\xBD b\xEF\xBF\xBD\xE4\xB8\xAD \xEF\xBF\xBD");
}

TEST_F(ServiceTest, CompletionLogprobsWithEcho) {
    start();
    generator_.script("xy");
    const Answer answer =
        post("/v1/completions", R"({"prompt":"ab","echo":true,"logprobs":1,"max_tokens":5,"return_token_ids":true})");
    ASSERT_EQ(answer.status, 200) << answer.body;
    const json::value body = answer.json();
    const json::value& choice = at(body, {"choices", size_t{0}});
    EXPECT_EQ(choice.at("text"), json::value("abxy"));
    EXPECT_EQ(json::serialize(at(choice, {"logprobs", "tokens"})), R"(["a","b","x","y","<|eos|>"])");
    EXPECT_EQ(json::serialize(at(choice, {"logprobs", "text_offset"})), "[0,1,2,3,4]");
    const json::array& logprobs = at(choice, {"logprobs", "token_logprobs"}).as_array();
    ASSERT_EQ(logprobs.size(), 5u);
    EXPECT_TRUE(logprobs[0].is_null());
    EXPECT_EQ(logprobs[1].as_double(), static_cast<double>(-0.1f * 2)) << "the float itself, to the bit";
    EXPECT_EQ(logprobs[2].as_double(), static_cast<double>(-0.1f));
    EXPECT_TRUE(at(choice, {"logprobs", "top_logprobs", size_t{0}}).is_null());
    EXPECT_EQ(at(choice, {"logprobs", "top_logprobs", size_t{2}}).as_object().size(), 2u);
    EXPECT_EQ(json::serialize(choice.at("prompt_token_ids")), "[100,101]");
    EXPECT_EQ(json::serialize(choice.at("token_ids")), "[123,124,2]");
    EXPECT_EQ(at(choice, {"hone", "processed_logprobs", size_t{0}}).as_double(), static_cast<double>(-0.1f * 2));
}

TEST_F(ServiceTest, ScoresAPromptWithoutGenerating) {
    start();
    const Answer answer = post(
        "/v1/completions", R"({"prompt":[100,101,102],"echo":true,"logprobs":0,"max_tokens":0,"prompt_logprobs":2})");
    ASSERT_EQ(answer.status, 200) << answer.body;
    const json::value body = answer.json();
    const json::value& choice = at(body, {"choices", size_t{0}});
    EXPECT_EQ(choice.at("text"), json::value("abc"));
    EXPECT_EQ(at(choice, {"logprobs", "token_logprobs"}).as_array().size(), 3u);
    const json::array& prompt = choice.at("prompt_logprobs").as_array();
    ASSERT_EQ(prompt.size(), 3u);
    EXPECT_TRUE(prompt[0].is_null());
    EXPECT_EQ(at(prompt[1], {"101", "decoded_token"}), json::value("b"));
    EXPECT_EQ(at(body, {"usage", "completion_tokens"}), json::value(0));
}

TEST_F(ServiceTest, ChatLogprobsHaveBytes) {
    start();
    generator_.script("\xE4\xB8\xAD");
    const Answer answer =
        post("/v1/chat/completions",
             R"({"messages":[{"role":"user","content":"x"}],"logprobs":true,"top_logprobs":3,"prompt_logprobs":0})");
    ASSERT_EQ(answer.status, 200) << answer.body;
    const json::value body = answer.json();
    const json::array& content = at(body, {"choices", size_t{0}, "logprobs", "content"}).as_array();
    ASSERT_EQ(content.size(), 4u);
    EXPECT_EQ(json::serialize(content[0].at("bytes")), "[228]");
    EXPECT_EQ(content[0].at("token"), json::value("\xEF\xBF\xBD"));
    EXPECT_EQ(content[0].at("top_logprobs").as_array().size(), 3u);
    EXPECT_TRUE(body.at("prompt_logprobs").is_array());
}

TEST_F(ServiceTest, AClientThatGoesAwayCancelsItsSequences) {
    start();
    generator_.script("hello", 1, false);
    for (const bool stream : {false, true}) {
        const size_t before = generator_.cancellations();
        Call call;
        send(call, request("POST", "/v1/completions",
                           fmt::format(R"({{"prompt":"a","n":3,"max_tokens":100,"stream":{}}})", stream)));
        ASSERT_TRUE(eventually([&] { return generator_.metrics().running == 3; }));
        if (stream) call.wait("\"o\"");
        call.go_away();
        EXPECT_TRUE(
            eventually([&] { return generator_.cancellations() == before + 3 && generator_.metrics().running == 0; }));
    }
}

TEST_F(ServiceTest, AClientThatLeavesBeforeSubmissionLeavesNothingBehind) {
    start();
    generator_.script("hello", 1, false);
    for (int i = 0; i < 50; ++i) {
        Call call;
        send(call, request("POST", "/v1/completions", R"({"prompt":"a","n":4,"max_tokens":100})"));
        call.go_away();
    }
    EXPECT_TRUE(eventually([&] {
        return generator_.metrics().running == 0 && generator_.cancellations() == generator_.requests().size();
    }));
}

TEST_F(ServiceTest, AStoppingServerSaysSo) {
    start();
    generator_.script("hello", 1, false);
    Call whole, stream;
    send(whole, request("POST", "/v1/completions", R"({"prompt":"a","max_tokens":100})"));
    send(stream, request("POST", "/v1/completions", R"({"prompt":"a","max_tokens":100,"stream":true})"));
    stream.wait("\"o\"");
    ASSERT_TRUE(eventually([&] { return generator_.metrics().running == 2; }));
    whole.server_stops();
    stream.server_stops();
    EXPECT_EQ(whole.wait().status, 503);
    const auto events = stream.wait().events();
    EXPECT_NE(events.back().find("\"error\""), std::string::npos);
    EXPECT_TRUE(eventually([&] { return generator_.metrics().running == 0; }));
}

TEST_F(ServiceTest, EngineFailuresAreServerErrors) {
    start();
    generator_.fail_next("out of luck");
    const Answer failed = post("/v1/completions", R"({"prompt":"a"})");
    EXPECT_EQ(failed.status, 500);
    EXPECT_NE(failed.body.find("out of luck"), std::string::npos);
}

TEST_F(ServiceTest, ADamagedModelServesNoMore) {
    generator_.script("abcdef", 1, false);
    start();
    Call streamed, whole;
    send(streamed, request("POST", "/v1/completions", R"({"prompt":"x","max_tokens":50,"stream":true})"));
    send(whole, request("POST", "/v1/completions", R"({"prompt":"x","max_tokens":50})"));
    streamed.wait("\"text\":\"f\"");
    EXPECT_EQ(ask(request("GET", "/health")).status, 200);
    service_->fail("tensor 'x' is damaged");
    service_->fail("and another");

    const Answer health = ask(request("GET", "/health"));
    EXPECT_EQ(health.status, 503);
    EXPECT_EQ(health.json(), (json::value{{"status", "error"}, {"message", "tensor 'x' is damaged"}}));
    const Answer refused = post("/v1/completions", R"({"prompt":"x"})");
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(at(refused.json(), {"error", "message"}), json::value("tensor 'x' is damaged"));
    EXPECT_EQ(post("/v1/chat/completions", R"({"messages":[{"role":"user","content":"hi"}]})").status, 503);

    // What runs ends with its next token.
    generator_.continue_with("g");
    EXPECT_EQ(whole.wait().status, 503);
    EXPECT_EQ(at(whole.wait().json(), {"error", "message"}), json::value("tensor 'x' is damaged"));
    const std::string last = streamed.wait().events().back();
    EXPECT_EQ(at(json::parse(last), {"error", "message"}), json::value("tensor 'x' is damaged"));
    EXPECT_TRUE(eventually([&] { return generator_.cancellations() == 2; }));
}

// What the engine must score for an echo is not what the client asked to be told.
TEST_F(ServiceTest, PromptLogprobsAreToldOnlyToThoseWhoAsk) {
    start();
    for (const char* fields : {R"("echo":true,"logprobs":3)", R"("echo":true,"max_tokens":0)"}) {
        const Answer answer = post("/v1/completions", fmt::format(R"({{"prompt":"abc",{}}})", fields));
        ASSERT_EQ(answer.status, 200) << answer.body;
        const json::value body = answer.json();
        EXPECT_FALSE(at(body, {"choices", size_t{0}}).as_object().contains("prompt_logprobs")) << fields;
    }
    const json::value fewer =
        post("/v1/completions", R"({"prompt":"xyz","echo":true,"logprobs":5,"prompt_logprobs":1})").json();
    const json::value& choice = at(fewer, {"choices", size_t{0}});
    EXPECT_EQ(at(choice, {"prompt_logprobs", size_t{1}}).as_object().size(), 2u) << "the token and one alternative";
    EXPECT_EQ(at(choice, {"logprobs", "top_logprobs", size_t{1}}).as_object().size(), 6u);
}

TEST_F(ServiceTest, RoutesAndMethods) {
    start();
    EXPECT_EQ(ask(request("GET", "/nothing")).status, 404);
    EXPECT_EQ(ask(request("GET", "/v1/completions")).status, 405);
    EXPECT_EQ(ask(request("DELETE", "/v1/models")).status, 405);
    EXPECT_EQ(ask(request("OPTIONS", "/v1/models")).status, 204);
    EXPECT_EQ(ask(request("HEAD", "/health")).status, 200);
    EXPECT_EQ(at(ask(request("GET", "/v1/models")).json(), {"data", size_t{0}, "id"}), json::value("tiny"));
    EXPECT_EQ(ask(request("GET", "/v1/models/tiny")).status, 200);
    const Answer unknown = ask(request("GET", "/v1/models/other"));
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(at(unknown.json(), {"error", "code"}), json::value("model_not_found"));
    EXPECT_EQ(at(ask(request("GET", "/version")).json(), {"version"}), json::value("1.2.3"));
    Request form = request("POST", "/v1/completions", "{}");
    form.headers = {{"content-type", "text/plain"}};
    EXPECT_EQ(ask(form).status, 415);
    form.headers = {{"content-type", "Application/JSON; charset=utf-8"}};
    EXPECT_EQ(ask(form).status, 400);
}

TEST_F(ServiceTest, KeysOpenTheApi) {
    start({.api_keys = {"first", "second"}});
    const auto status = [&](const char* path, HeaderList headers) {
        Request asked = request("GET", path);
        asked.headers = std::move(headers);
        return ask(asked).status;
    };
    EXPECT_EQ(status("/v1/models", {}), 401);
    EXPECT_EQ(status("/v1/models", {{"Authorization", "Bearer wrong"}}), 401);
    EXPECT_EQ(status("/v1/models", {{"Authorization", "Bearer "}}), 401);
    EXPECT_EQ(status("/v1/models", {{"Authorization", "first"}}), 401);
    EXPECT_EQ(status("/v1/models", {{"authorization", "bearer first"}}), 200);
    EXPECT_EQ(status("/v1/models", {{"X-Api-Key", "second"}}), 200);
    EXPECT_EQ(status("/health", {}), 200);
    EXPECT_EQ(status("/metrics", {}), 200);
    const Answer refused = ask(request("GET", "/v1/models"));
    EXPECT_EQ(at(refused.json(), {"error", "code"}), json::value("invalid_api_key"));
}

// A key from an unset variable must not let everybody in.
TEST_F(ServiceTest, AnEmptyKeyOpensNothing) {
    start({.api_keys = {""}});
    for (const HeaderList& headers :
         {HeaderList{}, HeaderList{{"X-Api-Key", ""}}, HeaderList{{"Authorization", "Bearer "}}}) {
        Request asked = request("GET", "/v1/models");
        asked.headers = headers;
        EXPECT_EQ(ask(asked).status, 401);
    }
}

TEST_F(ServiceTest, CrossOriginOnlyForNamedOrigins) {
    start({.cors_origins = {"https://page.example"}});
    Request asked = request("OPTIONS", "/v1/models");
    asked.headers = {{"Origin", "https://page.example"}};
    EXPECT_EQ(handlers_.extra_headers(asked).front().second, "https://page.example");
    asked.headers = {{"Origin", "https://other.example"}};
    EXPECT_TRUE(handlers_.extra_headers(asked).empty());
}

TEST_F(ServiceTest, TokenizesAndBack) {
    start();
    const Answer answer = post("/tokenize", R"({"model":"tiny","prompt":"ab<|im_end|>","return_token_strs":true})");
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(json::serialize(answer.json().at("tokens")), "[100,101,260]");
    EXPECT_EQ(answer.json().at("count"), json::value(3));
    EXPECT_EQ(answer.json().at("max_model_len"), json::value(1000));
    EXPECT_EQ(answer.json().at("token_strs").at(2), json::value("<|im_end|>"));
    EXPECT_EQ(post("/detokenize", R"({"tokens":[100,101,260]})").json().at("prompt"), json::value("ab<|im_end|>"));
    EXPECT_EQ(post("/detokenize", R"({"tokens":[100,288]})").status, 400);
    EXPECT_EQ(post("/tokenize", R"({})").status, 400);
    const Answer chat = post("/tokenize", R"({"messages":[{"role":"user","content":"hi <|im_end|>"}]})");
    ASSERT_EQ(chat.status, 200) << chat.body;
    size_t ends = 0;
    const json::value answered = chat.json();
    for (const json::value& token : answered.at("tokens").as_array()) ends += token == json::value(260);
    EXPECT_EQ(ends, 1u) << "a control token that a user writes is ordinary text";
}

TEST_F(ServiceTest, TemplateErrorsAreTheClients) {
    auto strict = text::ChatTemplate::parse("{{ raise_exception('only ' ~ mood) }}", "strict");
    ASSERT_TRUE(strict.ok()) << strict.error().message;
    start({}, text::ChatTemplates(std::move(*strict)));
    const Answer answer = post("/v1/chat/completions", R"({"messages":[{"role":"user","content":"x"}],)"
                                                       R"("chat_template_kwargs":{"mood":"calm"}})");
    EXPECT_EQ(answer.status, 400);
    EXPECT_NE(answer.body.find("only calm"), std::string::npos) << answer.body;
}

TEST_F(ServiceTest, MetricsAreInPrometheusFormat) {
    start();
    ASSERT_EQ(post("/v1/completions", R"({"prompt":"abc"})").status, 200);
    ASSERT_TRUE(eventually([&] { return generator_.metrics().running == 0; }));
    handlers_.observe("/v1/completions", 200);
    handlers_.observe("/no/such/path", 404);
    const Answer answer = ask(request("GET", "/metrics"));
    EXPECT_TRUE(answer.content_type.starts_with("text/plain; version=0.0.4"));
    for (const char* line :
         {"vllm:num_requests_running{engine=\"0\",model_name=\"tiny\"} 0", "vllm:kv_cache_usage_perc",
          "vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:prefix_cache_hits_total",
          "vllm:prefix_cache_queries_total{engine=\"0\",model_name=\"tiny\"}", "hone_prefix_cache_evicted_pages_total",
          "hone_kv_spill_failures_total", "hone_prefill_backlog_tokens",
          "hone_step_cost_seconds{engine=\"0\",model_name=\"tiny\",layer=\"routed\",part=\"expert\"}",
          "vllm:num_preemptions_total", "vllm:time_to_first_token_seconds_count{engine=\"0\",model_name=\"tiny\"} 1",
          "vllm:inter_token_latency_seconds_count{engine=\"0\",model_name=\"tiny\"} 5",
          "vllm:e2e_request_latency_seconds_count{engine=\"0\",model_name=\"tiny\"} 1",
          "hone_http_responses_total{code=\"200\",route=\"/v1/completions\"} 1",
          "hone_http_responses_total{code=\"404\",route=\"other\"} 1"})
        EXPECT_NE(answer.body.find(line), std::string::npos) << line << "\n" << answer.body;
}

TEST_F(ServiceTest, WorkersSurviveAnything) {
    start();
    for (const char* body : {"", "[]", "{", "{\"prompt\":{}}", "{\"messages\":5}", "null", "{\"prompt\":\"\"}"}) {
        for (const char* path : {"/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize"}) {
            const Answer answer = post(path, body);
            const bool fine = std::string_view(path) == "/tokenize" && std::string_view(body) == "{\"prompt\":\"\"}";
            EXPECT_EQ(answer.status, fine ? 200 : 400) << path << " " << body << " " << answer.body;
        }
    }
    EXPECT_EQ(post("/v1/completions", R"({"prompt":"a"})").status, 200);
}

}  // namespace
}  // namespace hone::serve
