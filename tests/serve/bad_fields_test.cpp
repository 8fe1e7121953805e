// Every field of a request with wrong types and ranges: the answer names it.
#include <gtest/gtest.h>

#include "serve/openai/requests.h"
#include "tests/serve/parsed_requests.h"

namespace hone::serve {
namespace {

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

}  // namespace
}  // namespace hone::serve
