// Parsing of requests: what fields mean, defaults, limits, adversarial JSON.
#include "serve/openai/requests.h"

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include "tests/serve/parsed_requests.h"

namespace hone::serve {
namespace {

TEST(Requests, NullIsAbsentAndUnknownFieldsAreIgnored) {
    const char* fields =
        R"("temperature":null,"top_p":null,"n":null,"stop":null,"seed":null,"stream":null,"stream_options":null,"logit_bias":null,)"
        R"("logprobs":null,"max_tokens":null,"suffix":null,"best_of":null,"response_format":null,"tools":null,"user":"x","metadata":{},)"
        R"("no_such_field":[1,2,{"a":null}])";
    EXPECT_FALSE(parse_completion(fields).problem);
    EXPECT_FALSE(parse_chat(fields).problem);
    EXPECT_FALSE(
        parse_chat(R"("response_format":{"type":"text"},"tool_choice":"auto","modalities":["text"],"best_of":1)")
            .problem);
}

TEST(Requests, FormsOfTheAnswer) {
    using text::GrammarKind;
    struct Form {
        const char *fields, *field;
        GrammarKind kind;
        const char* text;
    };
    for (
        const Form& form : std::vector<Form>{
            {R"("response_format":{"type":"json_object"})", "response_format", GrammarKind::kJsonObject, ""},
            {R"("response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":{"type":"null"}}})",
             "response_format.json_schema.schema", GrammarKind::kJsonSchema, R"({"type":"null"})"},
            {R"("response_format":{"type":"json_schema","json_schema":{"name":"x"}})", "response_format",
             GrammarKind::kJsonObject, ""},
            {R"("guided_json":{"type":"null"})", "guided_json", GrammarKind::kJsonSchema, R"({"type":"null"})"},
            {R"("guided_json":"{\"type\":\"null\"}")", "guided_json", GrammarKind::kJsonSchema, R"({"type":"null"})"},
            {R"("guided_regex":"a+")", "guided_regex", GrammarKind::kRegex, "a+"},
            {R"("guided_grammar":"root ::= x")", "guided_grammar", GrammarKind::kEbnf, "root ::= x"},
            {R"("guided_choice":["a","b"])", "guided_choice", GrammarKind::kChoice, R"(["a","b"])"},
            {R"("guided_json_object":true)", "guided_json_object", GrammarKind::kJsonObject, ""},
            {R"("structured_outputs":{"json":true})", "structured_outputs.json", GrammarKind::kJsonSchema, "true"},
            {R"("structured_outputs":{"regex":"a"})", "structured_outputs.regex", GrammarKind::kRegex, "a"},
            {R"("structured_outputs":{"grammar":"g"})", "structured_outputs.grammar", GrammarKind::kEbnf, "g"},
            {R"("structured_outputs":{"choice":["a"]})", "structured_outputs.choice", GrammarKind::kChoice, R"(["a"])"},
            {R"("structured_outputs":{"json_object":true})", "structured_outputs.json_object", GrammarKind::kJsonObject,
             ""}}) {
        for (const auto& parsed : {parse_completion(form.fields), parse_chat(form.fields)}) {
            ASSERT_FALSE(parsed.problem) << parsed.problem->message;
            const auto& read = parsed.completion.form ? parsed.completion.form : parsed.chat.form;
            ASSERT_TRUE(read) << form.fields;
            EXPECT_EQ(read->field, form.field);
            EXPECT_EQ(read->source.kind, form.kind) << form.fields;
            EXPECT_EQ(read->source.text, form.text);
        }
    }
    const auto closed = parse_chat(
        R"("structured_outputs":{"json":{},"disable_any_whitespace":true,"disable_additional_properties":true})");
    EXPECT_EQ(closed.chat.form->source.whitespace, text::JsonWhitespace::kCompact);
    EXPECT_FALSE(closed.chat.form->source.open_objects);
    for (const char* fields :
         {R"("response_format":{"type":"text"},"guided_json":null,"guided_json_object":false)", ""})
        EXPECT_FALSE(parse_chat(fields).chat.form);
}

TEST(Requests, FieldsThatAskForNothingUnusualAreTaken) {
    const char* fields =
        R"("grammar":"","guided_json":null,"typical_p":1.0,"mirostat":0,"mirostat_tau":5,"length_penalty":1,)"
        R"("spaces_between_special_tokens":true,"web_search_options":{},"top_p":1e-300)";
    EXPECT_FALSE(parse_completion(fields).problem);
    EXPECT_FALSE(parse_chat(fields).problem);
    EXPECT_GT(parse_chat(fields).chat.sampling.top_p, 0);
}

TEST(Requests, StopStringsAreBoundedTogether) {
    const auto with = [](size_t bytes) {
        return parse_chat(fmt::format(R"("stop":["{}","{}"])", std::string(bytes, 'x'), std::string(bytes, 'y')));
    };
    EXPECT_FALSE(with(8192).problem);
    EXPECT_EQ(with(8193).problem.value_or(ApiError{}).param, "stop");
}

// With every token masked there is nothing to draw; that must not come to light in the middle of generating.
TEST(Requests, StopIdsMustLeaveATokenWhereSomeAreDemanded) {
    std::string ids;
    for (int i = 0; i < 288; ++i) ids += (i > 0 ? "," : "") + std::to_string(i);
    const auto all = parse_chat(fmt::format(R"("min_tokens":2,"stop_token_ids":[{}])", ids));
    EXPECT_EQ(all.problem.value_or(ApiError{}).param, "stop_token_ids");
    EXPECT_FALSE(parse_chat(fmt::format(R"("stop_token_ids":[{}])", ids)).problem);
    ids.resize(ids.rfind(','));
    EXPECT_FALSE(parse_chat(fmt::format(R"("min_tokens":2,"stop_token_ids":[{}])", ids)).problem);
}

TEST(Requests, LogprobsOfAnAnswerAreBounded) {
    RequestRules limited = rules();
    limited.max_answer_logprobs = 1000;
    GenerationRequest request;
    request.sampling.max_tokens = 100;
    request.choices = 2;
    EXPECT_FALSE(check_answer_size(request, 5, 5000, limited)) << "without log-probabilities there is nothing to bound";
    request.logprobs = true;
    request.sampling.top_logprobs = 4;
    EXPECT_FALSE(check_answer_size(request, 1, 5000, limited)) << "2 x 100 x 5";
    EXPECT_EQ(check_answer_size(request, 2, 5000, limited).value_or(ApiError{}).param, "logprobs");
    request.stream = true;
    EXPECT_FALSE(check_answer_size(request, 2, 5000, limited)) << "a stream gathers nothing";
    request.prompt_logprobs = request.sampling.prompt_logprobs = 0;
    EXPECT_FALSE(check_answer_size(request, 1, 500, limited));
    EXPECT_EQ(check_answer_size(request, 1, 501, limited).value_or(ApiError{}).param, "prompt_logprobs");
    request.echo = true;
    EXPECT_EQ(check_answer_size(request, 1, 251, limited).value_or(ApiError{}).param, "prompt_logprobs")
        << "told twice";
    GenerationRequest ids;
    ids.sampling.max_tokens = 4000;
    EXPECT_FALSE(check_answer_size(ids, 5, 5000, limited));
    ids.return_token_ids = true;
    EXPECT_FALSE(check_answer_size(ids, 1, 4000, limited));
    EXPECT_EQ(check_answer_size(ids, 1, 4008, limited).value_or(ApiError{}).param, "return_token_ids");
}

TEST(Requests, UnknownModelIsNotFound) {
    const Parsed parsed = parse_completion(R"("model":"other")");
    ASSERT_TRUE(parsed.problem);
    EXPECT_EQ(parsed.problem->status, 404);
    EXPECT_EQ(parsed.problem->code, "model_not_found");
}

TEST(Requests, ReadsSampling) {
    const Parsed parsed = parse_completion(
        R"("temperature":0.5,"top_p":0.25,"top_k":7,"min_p":0.125,"repetition_penalty":1.5,"presence_penalty":1,)"
        R"("frequency_penalty":-1,"seed":-5,"n":3,"max_tokens":9.0,"min_tokens":2,"stop":["a","b"],"stop_token_ids":[7,5],)"
        R"("logit_bias":{"9":-100,"4":1.5},"logprobs":3,"echo":true,"prompt_logprobs":1)");
    ASSERT_FALSE(parsed.problem) << parsed.problem->message;
    const CompletionRequest& request = parsed.completion;
    const engine::SamplingParams& sampling = request.sampling;
    EXPECT_EQ(sampling.temperature, 0.5f);
    EXPECT_EQ(sampling.top_p, 0.25f);
    EXPECT_EQ(sampling.top_k, 7);
    EXPECT_EQ(sampling.min_p, 0.125f);
    EXPECT_EQ(sampling.repetition_penalty, 1.5f);
    EXPECT_EQ(sampling.presence_penalty, 1.0f);
    EXPECT_EQ(sampling.frequency_penalty, -1.0f);
    EXPECT_EQ(static_cast<int64_t>(*sampling.seed), -5);
    EXPECT_EQ(sampling.min_tokens, 2);
    EXPECT_EQ(sampling.stop_ids, (std::vector<int32_t>{5, 7, 2}));
    EXPECT_EQ(sampling.logit_bias, (std::vector<std::pair<int32_t, float>>{{4, 1.5f}, {9, -100.0f}}));
    EXPECT_EQ(sampling.top_logprobs, 3);
    EXPECT_EQ(sampling.prompt_logprobs, 3);
    EXPECT_EQ(request.choices, 3);
    EXPECT_EQ(request.max_tokens, 9);
    EXPECT_EQ(request.stop, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(request.own_stop_ids, (std::vector<int32_t>{5, 7}));
}

TEST(Requests, EndOfSequenceCanBeIgnored) {
    EXPECT_EQ(parse_chat(R"("ignore_eos":true,"stop_token_ids":[7])").chat.sampling.stop_ids,
              (std::vector<int32_t>{7}));
    EXPECT_EQ(parse_chat("").chat.sampling.stop_ids, (std::vector<int32_t>{2}));
}

TEST(Requests, TinyTemperaturesAreGreedy) {
    EXPECT_EQ(parse_chat(R"("temperature":1e-40)").chat.sampling.temperature, 0);
    EXPECT_EQ(parse_chat(R"("temperature":1e-3)").chat.sampling.temperature, 1e-3f);
}

TEST(Requests, ModelDefaultsFillGaps) {
    RequestRules with = rules();
    with.defaults.temperature = 0.6f;
    with.defaults.top_k = 20;
    with.defaults.top_p = 0.95f;
    with.defaults.repetition_penalty = 1.05f;
    json::value body = json::parse(R"({"prompt":"a","top_p":0.5})");
    CompletionRequest request;
    ASSERT_FALSE(parse_completion_request(body.get_object(), with, request));
    EXPECT_EQ(request.sampling.temperature, 0.6f);
    EXPECT_EQ(request.sampling.top_k, 20);
    EXPECT_EQ(request.sampling.top_p, 0.5f);
    EXPECT_EQ(request.sampling.repetition_penalty, 1.05f);
}

TEST(Requests, PromptsOfEveryShape) {
    EXPECT_EQ(parse_completion("").completion.prompts, (std::vector<CompletionPrompt>{PromptText("hi")}));
    EXPECT_EQ(parse_completion(R"("prompt":[1,2])").completion.prompts,
              (std::vector<CompletionPrompt>{PromptTokens{1, 2}}));
    EXPECT_EQ(parse_completion(R"("prompt":["a","b"])").completion.prompts,
              (std::vector<CompletionPrompt>{PromptText("a"), PromptText("b")}));
    EXPECT_EQ(parse_completion(R"("prompt":[[1],[2,3]])").completion.prompts,
              (std::vector<CompletionPrompt>{PromptTokens{1}, PromptTokens{2, 3}}));
    std::string many = R"("n":100,"prompt":["a")";
    for (int i = 0; i < 20; ++i) many += R"(,"a")";
    EXPECT_EQ(parse_completion(many + "]").problem.value_or(ApiError{}).param, "n");
}

TEST(Requests, ContentPartsAreJoined) {
    const Parsed parsed = parse_chat(
        R"("messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},)"
        R"({"role":"assistant","content":null,"tool_calls":[{"id":"1","function":{"name":"f","arguments":"{\"x\": 1}"}},)"
        R"({"function":{"name":"g","arguments":""}}]}])");
    ASSERT_FALSE(parsed.problem) << parsed.problem->message;
    const json::array& messages = parsed.chat.prompt.messages;
    EXPECT_EQ(messages[0].at("content"), json::value("a\nb"));
    EXPECT_EQ(messages[1].at("content"), json::value(""));
    EXPECT_EQ(json::serialize(messages[1].at("tool_calls").at(0).at("function").at("arguments")), R"({"x":1})");
    EXPECT_EQ(json::serialize(messages[1].at("tool_calls").at(1).at("function").at("arguments")), "{}");
}

TEST(Requests, ContextLimits) {
    GenerationRequest request;
    request.max_tokens = 100;
    EXPECT_FALSE(fit_context(request, 900, rules(), "prompt"));
    EXPECT_EQ(request.sampling.max_tokens, 100);
    EXPECT_EQ(fit_context(request, 901, rules(), "prompt").value_or(ApiError{}).code, "context_length_exceeded");
    request.max_tokens = std::nullopt;
    EXPECT_FALSE(fit_context(request, 999, rules(), "prompt"));
    EXPECT_EQ(request.sampling.max_tokens, 1);
    EXPECT_EQ(fit_context(request, 1000, rules(), "messages").value_or(ApiError{}).param, "messages");
    EXPECT_EQ(fit_context(request, 0, rules(), "prompt").value_or(ApiError{}).param, "prompt");
    request.default_max_tokens = 16;
    EXPECT_FALSE(fit_context(request, 10, rules(), "prompt"));
    EXPECT_EQ(request.sampling.max_tokens, 16);
    request.sampling.min_tokens = 17;
    EXPECT_EQ(fit_context(request, 10, rules(), "prompt").value_or(ApiError{}).param, "min_tokens");
    request.max_tokens = 0;
    request.sampling.min_tokens = 0;
    EXPECT_FALSE(fit_context(request, 1000, rules(), "prompt")) << "a full context can be scored";
}

TEST(Json, RefusesWhatIsNotAnObject) {
    for (const char* text : {"",
                             " ",
                             "nul",
                             "null",
                             "5",
                             "\"x\"",
                             "[]",
                             "{",
                             "{\"a\":}",
                             "{\"a\":1,}",
                             "{} {}",
                             "{}x",
                             "{'a':1}",
                             "{\"a\":01}",
                             "{\"a\":NaN}",
                             "{\"a\":\"\xff\"}",
                             "{\"a\":\"\xED\xA0\x80\"}",
                             "{\"a\":\"\\ud800\"}",
                             "{\"a\":\"\n\"}",
                             "{\"a\" 1}",
                             "\xEF\xBB\xBF{}"}) {
        json::value out;
        const auto problem = parse_json_object(text, out);
        ASSERT_TRUE(problem) << text;
        EXPECT_EQ(problem->status, 400);
        EXPECT_EQ(problem->code, "invalid_json");
    }
    json::value out;
    EXPECT_FALSE(parse_json_object(" {} \n", out));
}

TEST(Json, NestingIsLimited) {
    json::value out;
    const auto nested = [](size_t depth) {
        return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
    };
    EXPECT_FALSE(parse_json_object(nested(60), out));
    EXPECT_TRUE(parse_json_object(nested(70), out));
    EXPECT_TRUE(parse_json_object(nested(1000000), out));
    std::string objects;
    for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
    EXPECT_TRUE(parse_json_object(objects, out));
}

TEST(Json, HugeNumbersAndDuplicateKeys) {
    json::value out;
    ASSERT_FALSE(parse_json_object(R"({"a":1,"a":2})", out));
    EXPECT_EQ(out.at("a"), json::value(2));
    for (const std::string& number : std::vector<std::string>{"1e999", "-1e999", "1e-999", std::string(5000, '9'),
                                                              "0." + std::string(5000, '1'), "1e99999999999"}) {
        const auto problem = parse_json_object("{\"temperature\":" + number + "}", out);
        if (problem) continue;
        FieldReader fields(out.get_object());
        const auto value = fields.number("temperature", 0, 2);
        EXPECT_TRUE(!value || std::isfinite(*value)) << number.substr(0, 20);
        EXPECT_FALSE(as_integer(out.at("temperature")) && number.size() > 100);
    }
}

TEST(GenerationDefaultsFile, IsReadAndChecked) {
    const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "generation_defaults";
    std::filesystem::create_directories(folder);
    const auto write = [&](const char* name, const char* text) {
        FILE* file = fopen((folder / name).c_str(), "w");
        fputs(text, file);
        fclose(file);
    };
    write("config.json", R"({"eos_token_id":2})");
    write("generation_config.json",
          R"({"eos_token_id":[7,2,9],"temperature":0.6,"top_k":20,"top_p":0.95,"do_sample":true})");
    const auto defaults = load_generation_defaults(folder);
    ASSERT_TRUE(defaults.ok()) << defaults.error().message;
    EXPECT_EQ(defaults->end_ids, (std::vector<int32_t>{7, 2, 9}));
    EXPECT_EQ(defaults->temperature, 0.6f);
    EXPECT_EQ(defaults->top_k, 20);
    for (const char* bad : {R"({"temperature":"hot"})", R"({"eos_token_id":"x"})", "{", "[]"}) {
        write("generation_config.json", bad);
        const auto refused = load_generation_defaults(folder);
        ASSERT_FALSE(refused.ok()) << bad;
        EXPECT_NE(refused.error().message.find("generation_config.json"), std::string::npos);
    }
    std::filesystem::remove_all(folder);
    EXPECT_TRUE(load_generation_defaults(folder).ok()) << "a folder without these files says nothing";
}

TEST(Requests, ASaltIsKeptAsItIs) {
    EXPECT_EQ(parse_chat(R"("cache_salt":"caf\u00e9 \u0000 1")").chat.cache_salt, std::string("caf\u00e9 \0 1", 9));
    EXPECT_EQ(parse_completion(R"("cache_salt":"x")").completion.cache_salt, "x");
    EXPECT_EQ(parse_completion(R"("cache_salt":null)").completion.cache_salt, "");
    const auto with_bytes = [](size_t bytes) {
        return parse_chat(fmt::format(R"("cache_salt":"{}")", std::string(bytes, 's'))).problem;
    };
    EXPECT_FALSE(with_bytes(256));
    ASSERT_TRUE(with_bytes(257));
    EXPECT_EQ(with_bytes(257)->param, "cache_salt");
}

}  // namespace
}  // namespace hone::serve
