#include <algorithm>

#include "base/mapped_file.h"
#include "cli/simulate/workload.h"
#include "model/checkpoint/strict_json.h"

namespace hone::cli {
namespace {

constexpr int32_t kMostTokens = 1 << 24;
constexpr uint64_t kFirstPrefix = uint64_t{1} << 40, kFirstTracedText = uint64_t{1} << 41;

// Reads the fields of one line; the first mistake sticks.
class TraceLine {
  public:
    explicit TraceLine(const boost::json::object& object) : object_(object) {}

    double seconds(const char* field) {
        const auto* const value = ask(field);
        if (value && value->is_number()) {
            const double number = value->to_number<double>();
            if (number >= 0 && number <= 1e9) return number;
        }
        fail(field, "needs a number of seconds from 0 to 1e9");
        return 0;
    }
    int64_t whole(const char* field, int64_t least, int64_t most, std::optional<int64_t> otherwise = {}) {
        const auto* const value = ask(field);
        if (!value && otherwise) return *otherwise;
        if (value && value->is_int64() && value->as_int64() >= least && value->as_int64() <= most)
            return value->as_int64();
        fail(field, fmt::format("needs a whole number from {} to {}", least, most));
        return least;
    }
    Status finish() const {
        if (failure_) return *failure_;
        for (const auto& entry : object_) {
            if (std::ranges::find(asked_, std::string_view(entry.key())) == asked_.end())
                return error("field '{}' is not known here", std::string(entry.key()));
        }
        return ok();
    }

  private:
    const boost::json::value* ask(const char* field) {
        asked_.emplace_back(field);
        return object_.if_contains(field);
    }
    void fail(const char* field, std::string_view what) {
        if (!failure_) failure_ = error("field '{}' {}", field, what);
    }

    const boost::json::object& object_;
    std::vector<std::string_view> asked_;
    std::optional<Error> failure_;
};

Result<SimulatedRequest> parse_line(std::string_view text, int64_t index) {
    const auto object = model::parse_json_object(text, "the line");
    if (!object) return object.error();
    TraceLine line(*object);
    SimulatedRequest request{.seconds = line.seconds("arrival"),
                             .text = kFirstTracedText + static_cast<uint64_t>(index)};
    request.after = static_cast<int32_t>(line.whole("after", 1, index, 0)) - 1;
    request.prompt_tokens = static_cast<int32_t>(line.whole("prompt_tokens", 1, kMostTokens));
    request.output_tokens = static_cast<int32_t>(line.whole("output_tokens", 1, kMostTokens));
    request.prefix = kFirstPrefix + static_cast<uint64_t>(line.whole("prefix_id", 0, 1 << 30, 0));
    request.prefix_tokens = static_cast<int32_t>(line.whole("prefix_tokens", 0, request.prompt_tokens, 0));
    request.priority = static_cast<int32_t>(line.whole("priority", -1000, 1000, 0));
    request.tenant = static_cast<uint32_t>(line.whole("tenant", 0, 1 << 30, 0));
    if (const Status read = line.finish(); !read) return read.error();
    return request;
}

}  // namespace

Result<std::vector<SimulatedRequest>> read_trace(const std::string& path) {
    const auto text = read_text_file(path);
    if (!text) return text.error();
    std::vector<SimulatedRequest> requests;
    double latest = 0;
    std::string_view rest = *text;
    for (int line = 1; !rest.empty(); line++) {
        const size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view content = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const auto request = parse_line(content, std::ssize(requests));
        if (!request) return request.error().within(fmt::format("{}:{}", path, line));
        if (request->after < 0 && request->seconds < latest)
            return error("{}:{}: field 'arrival' is before that of a line above", path, line);
        if (request->after < 0) latest = request->seconds;
        requests.push_back(*request);
    }
    if (requests.empty()) return error("{}: no requests", path);
    return requests;
}

}  // namespace hone::cli
