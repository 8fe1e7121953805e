#include "serve/page.h"

#include <algorithm>

#include "base/stripped.h"
#include "serve/http/ascii.h"

namespace hone::serve {

namespace {

constexpr std::string_view kOptionalBlanks = " \t";  // RFC 9110, section 5.6.3

// Whether one of the elements of a list that commas divide fits.
template <class Fits>
bool any_of_list(std::string_view list, const Fits& fits) {
    for (;;) {
        const size_t comma = list.find(',');
        if (fits(stripped(list.substr(0, comma), kOptionalBlanks))) return true;
        if (comma == std::string_view::npos) return false;
        list.remove_prefix(comma + 1);
    }
}

// RFC 9110, section 12.5.3: named, and not with a weight of zero.
bool takes_gzip(const Request& request) {
    return any_of_list(request.header("Accept-Encoding"), [](std::string_view coding) {
        const size_t semicolon = coding.find(';');
        if (!equal_ignoring_case(stripped(coding.substr(0, semicolon), kOptionalBlanks), "gzip")) return false;
        if (semicolon == std::string_view::npos) return true;
        const std::string_view weight = stripped(coding.substr(semicolon + 1), kOptionalBlanks);
        const bool is_weight = equal_ignoring_case(weight.substr(0, 2), "q=");
        return is_weight && weight.substr(2).find_first_of("123456789") != std::string_view::npos;
    });
}

// Compared weakly, as If-None-Match is.
bool has_tag(const Request& request, std::string_view tag) {
    return any_of_list(request.header("If-None-Match"), [tag](std::string_view known) {
        if (known.starts_with("W/")) known.remove_prefix(2);
        return known == tag || known == "*";
    });
}

}  // namespace

const PageFile* find_page_file(std::span<const PageFile> files, std::string_view path) {
    const auto found = std::ranges::find(files, path, &PageFile::path);
    return found == files.end() ? nullptr : &*found;
}

Response page_answer(const PageFile& file, const Request& request) {
    const bool is_compressed = !file.compressed.empty() && takes_gzip(request);
    const std::string tag = fmt::format("\"{}{}\"", file.digest, is_compressed ? "-gzip" : "");
    Response response{.content_type = std::string(file.content_type)};
    // Names stay the same from version to version, so a browser asks each time, and mostly hears 304.
    response.headers = {{"ETag", tag},
                        {"Cache-Control", "no-cache"},
                        {"Vary", "Accept-Encoding"},
                        {"Content-Security-Policy", kPagePolicy},
                        {"X-Content-Type-Options", "nosniff"},
                        {"Referrer-Policy", "no-referrer"}};
    if (has_tag(request, tag)) {
        response.status = 304;
        response.content_type.clear();
        return response;
    }
    if (is_compressed) response.headers.emplace_back("Content-Encoding", "gzip");
    response.body = is_compressed ? file.compressed : file.bytes;
    return response;
}

}  // namespace hone::serve
