#include "serve/http/message.h"

#include <algorithm>

#include "base/rng.h"
#include "serve/http/ascii.h"
#include "text/utf8.h"

namespace hone::serve {

std::string_view Request::header(std::string_view name) const {
    for (const auto& [key, value] : headers)
        if (equal_ignoring_case(key, name)) return value;
    return {};
}

namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::string request_id_of(const Request& head) {
    constexpr size_t kMostBytes = 128;
    static constexpr std::string_view kSigns = "-_.:/+=@";
    const std::string_view given = head.header("X-Request-Id");
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               kSigns.find(c) != std::string_view::npos;
    };
    if (!given.empty() && given.size() <= kMostBytes && std::ranges::all_of(given, fits)) return std::string(given);
    return fmt::format("{:016x}", entropy64());
}

bool split_target(std::string_view target, std::string& path, std::string& query) {
    path.clear();
    query.clear();
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!equal_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
        target.remove_prefix(scheme.size());
        const size_t authority = target.find_first_of("/?");
        if (authority == 0 || target.empty()) return false;
        target.remove_prefix(std::min(authority, target.size()));
        if (target.empty() || target.front() == '?') {
            path = "/";
            if (!target.empty()) query = target.substr(1);
            return true;
        }
    }
    if (target.empty() || target.front() != '/') return false;
    const size_t question = target.find('?');
    if (question != std::string_view::npos) query = target.substr(question + 1);
    target = target.substr(0, question);
    for (size_t i = 0; i < target.size(); ++i) {
        if (target[i] != '%') {
            path.push_back(target[i]);
            continue;
        }
        if (i + 2 >= target.size()) return false;
        const int high = hex_digit(target[i + 1]), low = hex_digit(target[i + 2]);
        if (high < 0 || low < 0 || high * 16 + low < 0x20) return false;
        path.push_back(static_cast<char>(high * 16 + low));
        i += 2;
    }
    return true;
}

std::string quotable(std::string_view text, size_t limit) {
    std::string out;
    const size_t unfinished = text::append_repaired(out, text.substr(0, limit));
    if (text.size() > limit) return out + "...";
    for (size_t i = 0; i < unfinished; ++i) out += text::kReplacementBytes;
    return out;
}

}  // namespace hone::serve
