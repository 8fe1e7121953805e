#include "serve/openai/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "serve/http/ascii.h"

namespace hone::serve {

namespace {

constexpr std::string_view kBearer = "Bearer ";

// The key of a request; empty if it has none.
std::string_view key_of(const Request& head) {
    const std::string_view authorization = head.header("Authorization");
    if (authorization.size() > kBearer.size() && equal_ignoring_case(authorization.substr(0, kBearer.size()), kBearer))
        return authorization.substr(kBearer.size());
    return head.header("X-Api-Key");
}

}  // namespace

ApiKeys::ApiKeys(const std::vector<std::string>& keys) {
    for (const std::string& key : keys) digests_.push_back(digest_of(key));
}

ApiKeys::Digest ApiKeys::digest_of(std::string_view key) {
    Digest digest;
    SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
    return digest;
}

std::optional<uint32_t> ApiKeys::tenant_of(const Request& head) const {
    if (digests_.empty()) return 0;
    const std::string_view key = key_of(head);
    if (key.empty()) return std::nullopt;
    const Digest given = digest_of(key);
    uint32_t tenant = 0;
    for (size_t i = 0; i < digests_.size(); ++i)
        if (CRYPTO_memcmp(digests_[i].data(), given.data(), given.size()) == 0) tenant = static_cast<uint32_t>(i) + 1;
    if (tenant == 0) return std::nullopt;
    return tenant;
}

}  // namespace hone::serve
