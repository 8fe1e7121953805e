#include "serve/http/sse.h"

namespace hone::serve {

std::string sse_event(std::string_view data) {
    std::string out;
    out.reserve(data.size() + 8);
    out += "data: ";
    for (size_t i = 0; i < data.size(); ++i) {
        const bool carriage_return = data[i] == '\r';
        if (!carriage_return && data[i] != '\n') {
            out += data[i];
            continue;
        }
        if (carriage_return && i + 1 < data.size() && data[i + 1] == '\n') ++i;
        out += "\ndata: ";
    }
    out += "\n\n";
    return out;
}

}  // namespace hone::serve
