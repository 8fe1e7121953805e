#include "serve/http/sse.h"

namespace hone::serve {

std::string sse_event(std::string_view data, std::string_view name) {
    std::string out;
    out.reserve(data.size() + name.size() + 18);
    if (!name.empty()) out.append("event: ").append(name).append("\n");
    out += "data: ";
    for (size_t end; (end = data.find_first_of("\r\n")) != std::string_view::npos;) {
        out += data.substr(0, end);
        data.remove_prefix(end + (data.substr(end).starts_with("\r\n") ? 2 : 1));
        out += "\ndata: ";
    }
    out += data;
    out += "\n\n";
    return out;
}

}  // namespace hone::serve
