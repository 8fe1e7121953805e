#include "cli/eval/suite.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <numeric>
#include <set>

#include "base/rng.h"
#include "cli/json_lines.h"
#include "cli/score_input.h"
#include "serve/openai/requests.h"

namespace hone::cli {

namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

constexpr uint32_t kSelectionDraw = std::numeric_limits<uint32_t>::max();

// Fields of a case that are fields of a request as they are.
constexpr std::string_view kRequestFields[] = {"messages", "prompt", "tools", "max_tokens", "chat_template_kwargs",
                                               "stop"};

bool is_text(const json::object& line) {
    return (line.contains("text") || line.contains("ids")) && !line.contains("check");
}

// "thinking" is what most templates call enable_thinking.
void read_thinking(const text::JsonView& view, json::object& request) {
    json::value& variables = request["chat_template_kwargs"];
    if (variables.is_null()) variables.emplace_object();
    if (variables.is_object()) variables.get_object()["enable_thinking"] = view.flag();
}

void read_fields(const text::JsonView& view, const json::object& given, Case& out) {
    view.for_each_member([&](std::string_view key, const text::JsonView& member) {
        if (std::ranges::find(kRequestFields, key) != std::end(kRequestFields)) {
            out.request[key] = given.at(key);
        } else if (key == "id") {
            out.id = member.text();
        } else if (key != "check" && key != "thinking") {
            member.fail(fmt::format("is no field of a case; there are id, {}, thinking and check",
                                    fmt::join(kRequestFields, ", ")));
        }
    });
    if (view["thinking"].exists()) read_thinking(view["thinking"], out.request);
    if (given.contains("messages") == given.contains("prompt"))
        view.fail("give either 'messages' (a chat) or 'prompt' (a text to go on with)");
    const text::JsonView prompt = view["prompt"];
    if (prompt.exists()) (void)prompt.text();
    const json::value* check = given.if_contains("check");
    if (!check || !check->is_object()) return view["check"].fail("expected an object");
    out.check_given = check->get_object();
    if (!read_check(view["check"], out.check_given, out.check)) view["check"].fail("is empty: anything would be right");
    const auto& calls = out.check.calls;
    if (calls && !calls->empty() && given.contains("prompt"))
        view["check"].fail("a 'prompt' is answered without calls");
    if (calls && !calls->empty() && !given.contains("tools")) view["tools"].fail("expected the tools that are called");
}

Result<Case> read_case(const json::value& line, size_t number) {
    Case out{.id = std::to_string(number), .line = number};
    std::optional<Error> failure;
    const text::JsonView view(line, failure);
    read_fields(view, line.get_object(), out);
    if (failure) return *failure;
    text::ChatRequest unused;
    if (!out.request.contains("messages")) return out;
    if (const auto problem = serve::parse_chat_prompt(out.request, unused)) return error("{}", problem->message);
    return out;
}

class SuiteReader {
  public:
    explicit SuiteReader(const std::string& path) {
        suite_.path = path;
        suite_.name = fs::path(path).stem().string();
    }

    Status take(std::string_view line, size_t number) {
        auto value = text::parse_json(line);
        if (!value) return value.error();
        if (!value->is_object()) return error("expected an object");
        const bool is_first = suite_.cases.empty() && !suite_.is_of_texts;
        if (is_first) suite_.is_of_texts = is_text(value->get_object());
        if (suite_.is_of_texts) return check_score_line(*value);
        auto read = read_case(*value, number);
        if (!read) return read.error();
        if (!ids_.insert(read->id).second) return error("id: {:?} is the id of an earlier case too", read->id);
        suite_.cases.push_back(std::move(*read));
        return ok();
    }

    Suite finish() { return std::move(suite_); }

  private:
    Suite suite_;
    std::set<std::string> ids_;
};

void add_folder(const fs::path& folder, std::vector<std::string>& files) {
    std::error_code ignored;
    const size_t before = files.size();
    for (const auto& entry : fs::directory_iterator(folder, ignored))
        if (entry.path().extension() == ".jsonl") files.push_back(entry.path().string());
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(before), files.end());
}

}  // namespace

Result<std::vector<std::string>> find_suites(std::span<const std::string> named,
                                             const std::optional<std::string>& shipped) {
    std::vector<std::string> files;
    for (const std::string& name : named) {
        std::error_code ignored;
        const size_t before = files.size();
        const fs::path by_name = fs::path(shipped.value_or("")) / (name + ".jsonl");
        if (shipped && name.find('/') == name.npos && fs::exists(by_name, ignored)) {
            files.push_back(by_name.string());
        } else if (fs::is_directory(name, ignored)) {
            add_folder(name, files);
            if (files.size() == before) return error("{}: there is no .jsonl file in this folder", name);
        } else if (fs::exists(name, ignored)) {
            files.push_back(name);
        } else {
            return error("{}: there is no such suite: give a .jsonl file, a folder of them{}", name,
                         shipped ? fmt::format(", or the name of one in {}", *shipped) : "");
        }
    }
    return files;
}

Result<Suite> read_suite(const std::string& path) {
    SuiteReader reader(path);
    const auto read =
        for_each_json_line(path, [&](std::string_view line, size_t number) { return reader.take(line, number); });
    if (!read) return read.error();
    if (*read == 0) return error("{}: there is no case in it", path);
    return reader.finish();
}

uint64_t case_draw(uint64_t seed, std::string_view id, uint32_t draw) {
    uint64_t name = 0xCBF29CE484222325;  // FNV-1a
    for (const char byte : id) name = (name ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
    const auto low = [](uint64_t bits) { return static_cast<uint32_t>(bits); };
    const Philox4x32 drawn = philox4x32({low(seed), low(seed >> 32)}, {low(name), low(name >> 32), draw, 0});
    return uint64_t{drawn[0]} << 32 | drawn[1];
}

std::vector<size_t> select_cases(std::span<const std::string> ids, const Selection& selection) {
    std::vector<size_t> chosen(ids.size());
    std::iota(chosen.begin(), chosen.end(), size_t{0});
    if (selection.sample && *selection.sample < chosen.size()) {
        const auto key = [&](size_t i) { return std::pair(case_draw(selection.seed, ids[i], kSelectionDraw), i); };
        std::ranges::sort(chosen, {}, key);
        chosen.resize(*selection.sample);
        std::ranges::sort(chosen);
    }
    if (selection.limit && *selection.limit < chosen.size()) chosen.resize(*selection.limit);
    return chosen;
}

}  // namespace hone::cli
