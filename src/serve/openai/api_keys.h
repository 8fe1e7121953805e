// Keys that open the API: `Authorization: Bearer KEY` or `X-Api-Key: KEY`. Immutable; any thread. Comparing takes the
// same time for every wrong key.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "serve/http/message.h"

namespace hone::serve {

class ApiKeys {
  public:
    // Without keys every request is allowed. An empty key opens nothing.
    explicit ApiKeys(const std::vector<std::string>& keys);

    // The number of the request's key, from 1 in the order of `keys`; 0 where keys are not used. None: it may not pass.
    std::optional<uint32_t> tenant_of(const Request& head) const;

  private:
    using Digest = std::array<unsigned char, 32>;
    static Digest digest_of(std::string_view key);

    std::vector<Digest> digests_;
};

}  // namespace hone::serve
