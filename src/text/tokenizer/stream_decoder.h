// Text from ids as they arrive. Everything that is settled is given out at once; only an unfinished UTF-8 character
// that may still become whole is held back. A part that can no longer become valid gives one U+FFFD. Skipped special
// tokens do not interrupt a character. One stream, one thread; the tokenizer must outlive it.
#pragma once

#include <span>
#include <string>

#include "text/tokenizer/tokenizer.h"

namespace hone::text {

class StreamDecoder {
  public:
    StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens)
        : tokenizer_(&tokenizer), skip_special_tokens_(skip_special_tokens) {}

    // The ids before the stream: nothing of them is given out, but a character may begin in them.
    void prime(std::span<const TokenId> prompt);

    std::string append(TokenId id);

    // At the end of the stream: a held part becomes U+FFFD.
    std::string flush();

  private:
    const Tokenizer* tokenizer_;
    bool skip_special_tokens_;
    DecodeState state_;
    std::string held_;
};

}  // namespace hone::text
