// The files of the page at /, as web/build made them when the program was built; they lie in the program
// (cmake/embed_page.cmake writes the source that defines them). Immutable; any thread.
#pragma once

#include <span>
#include <string_view>

namespace hone::serve {

struct PageFile {
    std::string_view path;  // "/", "/assets/page.js"
    std::string_view content_type;
    std::string_view digest;  // of `bytes`: equal for equal bytes only
    std::string_view bytes;
    std::string_view compressed;  // by gzip; empty where that is no smaller
};

std::span<const PageFile> page_files();

}  // namespace hone::serve
