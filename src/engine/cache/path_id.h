// What a page of the prefix tree is called outside of this process: SHA-256 over its cache salt and all tokens up to its
// last one. Whoever computed the same tokens for the same salt, before or after a restart, arrives at the same name.
// Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace hone::engine {

using PathId = std::array<uint8_t, 32>;

PathId digest_of(std::string_view text);
// Of the root for a salt.
PathId root_path(std::string_view salt);
// Of the page that holds `tokens` and follows `parent`.
PathId page_path(const PathId& parent, std::span<const int32_t> tokens);

}  // namespace hone::engine
