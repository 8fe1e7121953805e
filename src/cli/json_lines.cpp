#include "cli/json_lines.h"

#include <algorithm>

#include "base/mapped_file.h"

namespace hone::cli {

constexpr size_t kMostBytes = size_t{4} << 30;

Result<size_t> for_each_json_line(const std::string& path,
                                  FunctionRef<Status(std::string_view line, size_t number)> take) {
    const auto content = read_text_file(path, kMostBytes);
    if (!content) return content.error();
    std::string_view rest = *content;
    size_t count = 0;
    for (size_t number = 1; !rest.empty(); number++) {
        const size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (line.find_first_not_of(" \t\r") == line.npos) continue;
        if (const Status taken = take(line, number); !taken)
            return taken.error().within(fmt::format("{}:{}", path, number));
        count++;
    }
    return count;
}

}  // namespace hone::cli
