#include "engine/cache/path_id.h"

#include <string>

#include <openssl/sha.h>

namespace hone::engine {

PathId digest_of(std::string_view text) {
    PathId digest;
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
    return digest;
}

// A root's text begins with another letter than a page's.
PathId root_path(std::string_view salt) {
    return digest_of("r" + std::string(salt));
}

PathId page_path(const PathId& parent, std::span<const int32_t> tokens) {
    std::string text = "p";
    text.append(reinterpret_cast<const char*>(parent.data()), parent.size());
    text.append(reinterpret_cast<const char*>(tokens.data()), tokens.size_bytes());
    return digest_of(text);
}

}  // namespace hone::engine
