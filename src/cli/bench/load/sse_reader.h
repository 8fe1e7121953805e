// Splits a stream of server-sent events (WHATWG HTML, section 9.2) as its bytes arrive. One thread.
#pragma once

#include <string>
#include <string_view>

#include "base/function_ref.h"

namespace hone::cli {

class SseReader {
  public:
    // Calls on_event with the data of every event that these bytes complete, its lines joined by '\n'. Comments, other
    // fields and events without data are skipped. False if a line has no end within kMostBytes: no event stream.
    bool feed(std::string_view bytes, FunctionRef<void(std::string_view data)> on_event);

    static constexpr size_t kMostBytes = size_t{16} << 20;

  private:
    void read_line(std::string_view line, FunctionRef<void(std::string_view data)> on_event);

    std::string line_;  // the beginning of one that has no end yet
    std::string data_;
    bool has_data_ = false;
};

}  // namespace hone::cli
