#include "cli/bench/load/sse_reader.h"

namespace hone::cli {

bool SseReader::feed(std::string_view bytes, FunctionRef<void(std::string_view data)> on_event) {
    for (size_t end; (end = bytes.find('\n')) != std::string_view::npos; bytes.remove_prefix(end + 1)) {
        if (line_.empty()) {
            read_line(bytes.substr(0, end), on_event);
        } else {
            line_ += bytes.substr(0, end);
            read_line(line_, on_event);
            line_.clear();
        }
    }
    line_ += bytes;
    return line_.size() + data_.size() <= kMostBytes;
}

void SseReader::read_line(std::string_view line, FunctionRef<void(std::string_view data)> on_event) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) {
        if (has_data_) on_event(data_);
        data_.clear();
        has_data_ = false;
        return;
    }
    constexpr std::string_view kField = "data:";
    if (!line.starts_with(kField)) return;
    line.remove_prefix(kField.size());
    if (line.starts_with(' ')) line.remove_prefix(1);
    if (has_data_) data_ += '\n';
    data_ += line;
    has_data_ = true;
}

}  // namespace hone::cli
