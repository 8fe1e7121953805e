// Parsing of requests: every field with wrong types and ranges, adversarial JSON, defaults.
#include "serve/openai/requests.h"

#include <cmath>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include "serve/openai/field_reader.h"

namespace hone::serve {
namespace {

namespace json = boost::json;

RequestRules rules() {
    RequestRules rules{.model = "tiny", .vocabulary = 288, .max_context = 1000};
    rules.defaults.end_ids = {2};
    return rules;
}

struct Parsed {
    std::optional<ApiError> problem;
    CompletionRequest completion;
    ChatCompletionRequest chat;
};

Parsed parse_completion(std::string_view fields) {
    Parsed out;
    json::value body;
    out.problem = parse_json_object(
        fmt::format(R"({{"model":"tiny","prompt":"hi"{}{}}})", fields.empty() ? "" : ",", fields), body);
    if (!out.problem) out.problem = parse_completion_request(body.get_object(), rules(), out.completion);
    return out;
}

Parsed parse_chat(std::string_view fields) {
    Parsed out;
    json::value body;
    out.problem =
        parse_json_object(fmt::format(R"({{"model":"tiny","messages":[{{"role":"user","content":"hi"}}]{}{}}})",
                                      fields.empty() ? "" : ",", fields),
                          body);
    if (!out.problem) out.problem = parse_chat_request(body.get_object(), rules(), out.chat);
    return out;
}

struct BadField {
    const char *fields, *param;
};

// Wrong in completions and in chat alike.
const std::vector<BadField> kBadFields = {
    {R"("temperature":"hot")", "temperature"},
    {R"("temperature":-0.1)", "temperature"},
    {R"("temperature":1e999)", "temperature"},
    {R"("temperature":true)", "temperature"},
    {R"("temperature":[1])", "temperature"},
    {R"("top_p":0)", "top_p"},
    {R"("top_p":1.1)", "top_p"},
    {R"("top_p":{})", "top_p"},
    {R"("top_k":-2)", "top_k"},
    {R"("top_k":1.5)", "top_k"},
    {R"("top_k":99999999999)", "top_k"},
    {R"("min_p":-1)", "min_p"},
    {R"("min_p":"0")", "min_p"},
    {R"("repetition_penalty":0)", "repetition_penalty"},
    {R"("repetition_penalty":-1)", "repetition_penalty"},
    {R"("repetition_penalty":1e-38)", "repetition_penalty"},
    {R"("repetition_penalty":101)", "repetition_penalty"},
    {R"("presence_penalty":2.5)", "presence_penalty"},
    {R"("frequency_penalty":-2.5)", "frequency_penalty"},
    {R"("seed":1.5)", "seed"},
    {R"("seed":"1")", "seed"},
    {R"("seed":18446744073709551615)", "seed"},
    {R"("seed":123456789012345678901234567890)", "seed"},
    {R"("n":0)", "n"},
    {R"("n":129)", "n"},
    {R"("n":"1")", "n"},
    {R"("n":true)", "n"},
    {R"("max_tokens":-1)", "max_tokens"},
    {R"("max_tokens":1.5)", "max_tokens"},
    {R"("max_tokens":"1")", "max_tokens"},
    {R"("max_tokens":1e300)", "max_tokens"},
    {R"("min_tokens":-1)", "min_tokens"},
    {R"("cache_salt":"")", "cache_salt"},
    {R"("cache_salt":7)", "cache_salt"},
    {R"("stop":5)", "stop"},
    {R"("stop":{})", "stop"},
    {R"("stop":[5])", "stop[0]"},
    {R"("stop":["a",null])", "stop[1]"},
    {R"("stop":"")", "stop"},
    {R"("stop":["a",""])", "stop"},
    {R"("stop":["1","2","3","4","5","6","7","8","9","a","b","c","d","e","f","g","h"])", "stop"},
    {R"("stop_token_ids":[288])", "stop_token_ids[0]"},
    {R"("stop_token_ids":[1,-1])", "stop_token_ids[1]"},
    {R"("stop_token_ids":["1"])", "stop_token_ids[0]"},
    {R"("stop_token_ids":1)", "stop_token_ids"},
    {R"("ignore_eos":1)", "ignore_eos"},
    {R"("include_stop_str_in_output":"yes")", "include_stop_str_in_output"},
    {R"("skip_special_tokens":0)", "skip_special_tokens"},
    {R"("return_token_ids":"x")", "return_token_ids"},
    {R"("return_tokens_as_token_ids":[])", "return_tokens_as_token_ids"},
    {R"("stream":"true")", "stream"},
    {R"("stream":1)", "stream"},
    {R"("stream_options":{"include_usage":true})", "stream_options"},
    {R"("stream":true,"stream_options":[])", "stream_options"},
    {R"("stream":true,"stream_options":{"include_usage":"yes"})", "stream_options.include_usage"},
    {R"("prompt_logprobs":21)", "prompt_logprobs"},
    {R"("prompt_logprobs":1,"stream":true)", "prompt_logprobs"},
    {R"("logit_bias":[1])", "logit_bias"},
    {R"("logit_bias":{"x":1})", "logit_bias"},
    {R"("logit_bias":{"1x":1})", "logit_bias"},
    {R"("logit_bias":{"288":1})", "logit_bias"},
    {R"("logit_bias":{"-1":1})", "logit_bias"},
    {R"("logit_bias":{"1":101})", "logit_bias.1"},
    {R"("logit_bias":{"1":"x"})", "logit_bias.1"},
    {R"("logit_bias":{"1":60,"01":60})", "logit_bias"},
    {R"("best_of":2)", "best_of"},
    {R"("suffix":"end")", "suffix"},
    {R"("use_beam_search":true)", "use_beam_search"},
    {R"("structured_outputs":{})", "structured_outputs"},
    {R"("structured_outputs":{"json":5})", "structured_outputs.json"},
    {R"("structured_outputs":{"choice":"a"})", "structured_outputs.choice"},
    {R"("structured_outputs":{"json_object":1})", "structured_outputs.json_object"},
    {R"("structured_outputs":{"regex":"a","choice":["a"]})", "structured_outputs.choice"},
    {R"("structured_outputs":{"structural_tag":"x"})", "structured_outputs.structural_tag"},
    {R"("structured_outputs":{"json":{},"whitespace_pattern":"x"})", "structured_outputs.whitespace_pattern"},
    {R"("response_format":{"type":"xml"})", "response_format.type"},
    {R"("response_format":{"type":"json_schema"})", "response_format.json_schema"},
    {R"("response_format":{"type":"json_schema","json_schema":{"schema":[]}})", "response_format.json_schema.schema"},
    {R"("response_format":{"type":5})", "response_format.type"},
    {R"("response_format":"text")", "response_format"},
    {R"("truncate_prompt_tokens":5)", "truncate_prompt_tokens"},
    {R"("grammar":"root ::= x")", "grammar"},
    {R"("regex":"a+")", "regex"},
    {R"("json_schema":{"type":"object"})", "json_schema"},
    {R"("guided_json":[])", "guided_json"},
    {R"("guided_regex":5)", "guided_regex"},
    {R"("guided_json":{},"guided_whitespace_pattern":" ?")", "guided_whitespace_pattern"},
    {R"("guided_choice":["a",1])", "guided_choice[1]"},
    {R"("guided_choice":[])", "guided_choice"},
    {R"("guided_choice":"a")", "guided_choice"},
    {R"("guided_grammar":{})", "guided_grammar"},
    {R"("guided_json_object":"yes")", "guided_json_object"},
    {R"("guided_regex":"a","guided_grammar":"x")", "guided_grammar"},
    {R"("guided_regex":"a","response_format":{"type":"json_object"})", "guided_regex"},
    {R"("typical_p":0.9)", "typical_p"},
    {R"("typical_p":"all")", "typical_p"},
    {R"("mirostat":2)", "mirostat"},
    {R"("mirostat_mode":1)", "mirostat_mode"},
    {R"("xtc_probability":0.5)", "xtc_probability"},
    {R"("length_penalty":2)", "length_penalty"},
    {R"("spaces_between_special_tokens":false)", "spaces_between_special_tokens"},
    {R"("web_search_options":{"search_context_size":"low"})", "web_search_options"},
    {R"("audio":{"voice":"x"})", "audio"},
    {R"("modalities":["text","audio"])", "modalities"},
    {R"("model":5)", "model"},
};

void expect_refused(const Parsed& parsed, const BadField& bad) {
    ASSERT_TRUE(parsed.problem) << bad.fields;
    EXPECT_EQ(parsed.problem->status, 400) << bad.fields;
    EXPECT_EQ(parsed.problem->param, bad.param) << bad.fields << ": " << parsed.problem->message;
    EXPECT_EQ(parsed.problem->type, "invalid_request_error");
    EXPECT_NE(parsed.problem->message.find(bad.param), std::string::npos) << parsed.problem->message;
}

TEST(Requests, NameTheFieldAtFault) {
    for (const BadField& bad : kBadFields) {
        expect_refused(parse_completion(bad.fields), bad);
        expect_refused(parse_chat(bad.fields), bad);
    }
}

TEST(Requests, CompletionFieldsAtFault) {
    for (const BadField& bad : std::vector<BadField>{
             {R"("prompt":5)", "prompt"},
             {R"("prompt":null)", "prompt"},
             {R"("prompt":[])", "prompt"},
             {R"("prompt":[[]])", "prompt[0]"},
             {R"("prompt":["a",5])", "prompt[1]"},
             {R"("prompt":[1,"a"])", "prompt[1]"},
             {R"("prompt":[1,288])", "prompt[1]"},
             {R"("prompt":[-1])", "prompt[0]"},
             {R"("prompt":[1.5])", "prompt[0]"},
             {R"("prompt":[[1],[99999999999]])", "prompt[1][0]"},
             {R"("prompt":{})", "prompt"},
             {R"("prompt":true)", "prompt"},
             {R"("logprobs":true)", "logprobs"},
             {R"("logprobs":21)", "logprobs"},
             {R"("logprobs":-1)", "logprobs"},
             {R"("echo":"x")", "echo"},
             {R"("max_tokens":0)", "max_tokens"},
         })
        expect_refused(parse_completion(bad.fields), bad);
}

TEST(Requests, ChatFieldsAtFault) {
    for (
        const BadField& bad : std::vector<BadField>{
            {R"("messages":null)", "messages"},
            {R"("messages":[])", "messages"},
            {R"("messages":{})", "messages"},
            {R"("messages":"hi")", "messages"},
            {R"("messages":["hi"])", "messages[0]"},
            {R"("messages":[{"content":"x"}])", "messages[0].role"},
            {R"("messages":[{"role":5,"content":"x"}])", "messages[0].role"},
            {R"("messages":[{"role":"user","content":5}])", "messages[0].content"},
            {R"("messages":[{"role":"user","content":{"type":"text"}}])", "messages[0].content"},
            {R"("messages":[{"role":"user","content":[5]}])", "messages[0].content[0]"},
            {R"("messages":[{"role":"user","content":[{"type":"text"}]}])", "messages[0].content[0].text"},
            {R"("messages":[{"role":"user","content":"a"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}])",
             "messages[1].content[0]"},
            {R"("messages":[{"role":"assistant","tool_calls":5}])", "messages[0].tool_calls"},
            {R"("messages":[{"role":"assistant","tool_calls":[{}]}])", "messages[0].tool_calls[0].function"},
            {R"("messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{"}}]}])",
             "messages[0].tool_calls[0].function.arguments"},
            {R"("messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":[1]}}]}])",
             "messages[0].tool_calls[0].function.arguments"},
            {R"("tools":{})", "tools"},
            {R"("tools":[5])", "tools[0]"},
            {R"("tool_choice":"required")", "tool_choice"},
            {R"("tool_choice":{"type":"function","function":{"name":"f"}})", "tool_choice"},
            {R"("tool_choice":5)", "tool_choice"},
            {R"("tool_choice":"some")", "tool_choice"},
            {R"("tool_choice":{"type":"allowed_tools"})", "tool_choice.type"},
            {R"("tool_choice":{"type":"function"})", "tool_choice.function"},
            {R"("tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"g"}})",
             "tool_choice.function.name"},
            {R"("tools":[{"type":"web_search"}])", "tools[0].type"},
            {R"("tools":[{"type":"function"}])", "tools[0].function"},
            {R"("tools":[{"function":{}}])", "tools[0].function.name"},
            {R"("tools":[{"function":{"name":""}}])", "tools[0].function.name"},
            {R"("tools":[{"function":{"name":"f>g"}}])", "tools[0].function.name"},
            {R"("tools":[{"function":{"name":"f","parameters":[]}}])", "tools[0].function.parameters"},
            {R"("tools":[{"function":{"name":"f","description":5}}])", "tools[0].function.description"},
            {R"("tools":[{"function":{"name":"f","strict":"yes"}}])", "tools[0].function.strict"},
            {R"("tools":[{"function":{"name":"f"}},{"function":{"name":"f"}}])", "tools[1].function.name"},
            {R"("parallel_tool_calls":"no")", "parallel_tool_calls"},
            {R"("include_reasoning":0)", "include_reasoning"},
            {R"("chat_template_kwargs":[])", "chat_template_kwargs"},
            {R"("add_generation_prompt":1)", "add_generation_prompt"},
            {R"("continue_final_message":true,"add_generation_prompt":true)", "continue_final_message"},
            {R"("logprobs":1)", "logprobs"},
            {R"("top_logprobs":2)", "top_logprobs"},
            {R"("logprobs":true,"top_logprobs":21)", "top_logprobs"},
            {R"("max_completion_tokens":0)", "max_completion_tokens"},
            {R"("max_completion_tokens":"5")", "max_completion_tokens"},
            {R"("chat_template_kwargs":{"messages":[]})", "chat_template_kwargs.messages"},
            {R"("chat_template_kwargs":{"tools":[]})", "chat_template_kwargs.tools"},
            {R"("chat_template_kwargs":{"documents":null})", "chat_template_kwargs.documents"},
            {R"("chat_template_kwargs":{"x":1,"add_generation_prompt":true})",
             "chat_template_kwargs.add_generation_prompt"},
            {R"("functions":[{}])", "functions"},
            {R"("chat_template":"{{ x }}")", "chat_template"},
        })
        expect_refused(parse_chat(bad.fields), bad);
}

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
