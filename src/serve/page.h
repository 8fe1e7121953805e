// Answers to requests for files of the page: with their headers, compressed where the client takes that, and without a
// body where it has the file already. Pure functions; any thread.
#pragma once

#include "serve/http/message.h"
#include "serve/page_files.h"

namespace hone::serve {

// What a browser may do with the page: run and show what came from this server, nothing else.
inline constexpr const char* kPagePolicy =
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

// Null: there is none of that path.
const PageFile* find_page_file(std::span<const PageFile> files, std::string_view path);

// 200, or 304 where If-None-Match has the file's tag (RFC 9110, sections 8.8.3 and 13.1.2).
Response page_answer(const PageFile& file, const Request& request);

}  // namespace hone::serve
