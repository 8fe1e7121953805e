// Any text as a chat template: it is parsed and rendered over a conversation within its limits, or refused with its name.
#include <boost/json/parse.hpp>

#include "base/check.h"
#include "text/chat/chat_template.h"
#include "text/utf8.h"

namespace {

const boost::json::object& conversation() {
    static const boost::json::object context = boost::json::parse(R"({
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi é\n"},
                     {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f",
                      "arguments": {"a": [1, 2.5, true, null], "b": {"c": "d"}}}}]},
                     {"role": "tool", "content": "[1]"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "n": 3})")
                                                   .as_object();
    return context;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using hone::text::ChatTemplate;
    auto parsed = ChatTemplate::parse({reinterpret_cast<const char*>(data), size}, "fuzzed");
    if (!parsed) {
        CHECK(parsed.error().message.starts_with("fuzzed"), "{}", parsed.error().message);
        return 0;
    }
    hone::text::RenderOptions options{.clock = std::chrono::local_seconds(std::chrono::seconds(1'700'000'000))};
    options.limits = {.steps = 100'000, .text_bytes = size_t{1} << 20, .value_bytes = size_t{16} << 20};
    const auto rendered = parsed->render(conversation(), options);
    if (rendered) {
        CHECK(hone::text::is_valid_utf8(rendered->text), "no UTF-8");
    } else {
        CHECK(rendered.error().message.starts_with("fuzzed"), "{}", rendered.error().message);
    }
    return 0;
}
