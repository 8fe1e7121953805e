// What a request's output may look like, token by token: the engine's side of grammars, of which it knows nothing else.
// A TokenConstraint is immutable and shared; every request that begins a text under it has a ConstrainedText of its own,
// which belongs to the engine: samplers ask allowed() on their threads, one at a time for a text, the engine's thread
// tells it the tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"

namespace hone::engine {

class ConstrainedText {
  public:
    virtual ~ConstrainedText() = default;

    // The tokens that may come next: token i is bit i % 64 of word i / 64. Valid until accept(). None: the text cannot go
    // on, which ends the request with an error, as every failure here does.
    virtual Result<std::span<const uint64_t>> allowed() = 0;
    // An allowed token comes next. A failure: the text cannot be followed any further.
    virtual Status accept(int32_t token) = 0;
    // The token that ends the text was accepted.
    virtual bool ended() const = 0;
    // The tokens that have to come next, all of them allowed in turn and none that ends the text; may be empty, however
    // few are allowed.
    virtual Result<std::vector<int32_t>> forced() = 0;
};

class TokenConstraint {
  public:
    virtual ~TokenConstraint() = default;
    virtual std::unique_ptr<ConstrainedText> begin() const = 0;
    virtual int32_t vocabulary() const = 0;  // tokens that allowed() tells about
};

}  // namespace hone::engine
