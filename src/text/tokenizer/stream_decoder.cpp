#include "text/tokenizer/stream_decoder.h"

#include "text/utf8.h"

namespace hone::text {

void StreamDecoder::prime(std::span<const TokenId> prompt) {
    for (const TokenId id : prompt) append(id);
}

std::string StreamDecoder::append(TokenId id) {
    std::string out;
    tokenizer_->append_bytes(id, skip_special_tokens_, state_, held_);
    const size_t held = append_repaired(out, held_);
    held_.erase(0, held_.size() - held);
    return out;
}

std::string StreamDecoder::flush() {
    std::string out;
    append_unfinished(out, held_);
    held_.clear();
    return out;
}

}  // namespace hone::text
