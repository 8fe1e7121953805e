// Learns byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909) over bytes: again and again the pair of tokens
// that stands side by side most often in the words becomes one token. Pure functions: the same words give the same
// merges, whatever their order, on every machine.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/tokenizer/vocabulary.h"
#include "text/tokenizer/word_counter.h"

namespace hone::text {

struct BpeTraining {
    int32_t tokens = 0;          // to end with at most, at least 256: those of the bytes come first
    uint64_t min_frequency = 1;  // a pair that occurs less often is not merged
    bool quiet = false;          // no progress
};

struct TrainedBpe {
    // Byte strings by id. The first 256 are the bytes in the order of their characters in GPT-2's alphabet, as the
    // published vocabularies have them.
    std::vector<std::string> tokens;
    std::vector<std::pair<TokenId, TokenId>> merges;  // in the order in which they are done
    uint64_t text_bytes = 0, text_tokens = 0;         // of all words, as often as they occur
};

// Of pairs that occur equally often the one with the smaller ids comes first. Pairs in overlapping places all count
// ("aaa" has two of "aa"), and are merged from the left. A pair whose bytes are a token already gives that token: then
// there are more merges than new tokens. Time: a few passes over the distinct words' bytes, not one a merge. Memory:
// some 25 bytes for each of those; more than 4 GiB of them are an error.
Result<TrainedBpe> train_bpe(std::span<const WordCount> words, const BpeTraining& training);

// What the tokens are before the first merge.
std::vector<std::string> byte_tokens();

}  // namespace hone::text
