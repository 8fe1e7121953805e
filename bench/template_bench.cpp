// Rendering and parsing the golden chat templates: a conversation of 20 messages, tools declared, as a server sees it.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <benchmark/benchmark.h>
#include <boost/json.hpp>

#include "tests/golden_folder.h"
#include "text/chat/chat_request.h"

namespace hone::text {
namespace {

std::filesystem::path families() {
    return golden_folder() / "text/templates/families";
}

std::string source_of(const std::string& family) {
    std::ifstream file(families() / family / "chat_template.jinja", std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// System message, then questions and answers of some 400 bytes each, with one tool declared.
ChatRequest conversation(size_t messages) {
    std::string paragraph;
    while (paragraph.size() < 400) paragraph += "The quick brown fox jumps over the lazy dog; ";
    ChatRequest request;
    for (size_t i = 0; i < messages; ++i)
        request.messages.push_back(boost::json::object{{"role", i == 0       ? "system"
                                                                : i % 2 == 1 ? "user"
                                                                             : "assistant"},
                                                       {"content", paragraph + std::to_string(i)}});
    request.tools =
        boost::json::parse(R"([{"type": "function", "function": {"name": "get_weather", "description": "Weather now.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "Where"},
        "days": {"type": "integer", "enum": [1, 3, 7]}}, "required": ["city"]}}}])")
            .as_array();
    request.add_generation_prompt = true;
    request.special_tokens = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
    return request;
}

void render(benchmark::State& state, const std::string& family, size_t messages) {
    Result<ChatTemplate> parsed = ChatTemplate::parse(source_of(family), family);
    if (!parsed) return state.SkipWithError(parsed.error().message.c_str());
    ChatRequest request = conversation(messages);
    size_t bytes = 0;
    for (auto step : state) {
        Result<Rendered> rendered = render_chat(*parsed, request);
        if (!rendered) return state.SkipWithError(rendered.error().message.c_str());
        bytes += rendered->text.size();
    }
    state.SetBytesProcessed(static_cast<int64_t>(bytes));
}

void parse(benchmark::State& state, const std::string& family) {
    std::string source = source_of(family);
    for (auto step : state) benchmark::DoNotOptimize(ChatTemplate::parse(source, family).ok());
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * source.size()));
}

}  // namespace
}  // namespace hone::text

int main(int argc, char** argv) {
    using namespace hone::text;
    for (const auto& folder : std::filesystem::directory_iterator(families())) {
        std::string family = folder.path().filename().string();
        benchmark::RegisterBenchmark(("render_20_messages/" + family).c_str(),
                                     [family](auto& state) { render(state, family, 20); });
        benchmark::RegisterBenchmark(("render_1000_messages/" + family).c_str(),
                                     [family](auto& state) { render(state, family, 1000); });
        benchmark::RegisterBenchmark(("parse/" + family).c_str(), [family](auto& state) { parse(state, family); });
    }
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
}
