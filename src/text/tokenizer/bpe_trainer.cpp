#include "text/tokenizer/bpe_trainer.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <queue>
#include <unordered_map>

#include "base/check.h"
#include "base/progress.h"
#include "text/tokenizer/byte_alphabet.h"

namespace hone::text {

namespace {

using Place = uint32_t;  // of a byte, in all words end to end

constexpr TokenId kNone = -1;

// Two tokens side by side, as a key.
struct Pair {
    TokenId left = kNone, right = kNone;
    bool operator==(const Pair&) const = default;
    auto operator<=>(const Pair&) const = default;
};

struct PairHash {
    size_t operator()(const Pair& pair) const {
        const auto both = static_cast<uint64_t>(pair.left) << 32 | static_cast<uint32_t>(pair.right);
        return (both ^ both >> 29) * 0x9E3779B97F4A7C15;
    }
};

struct Occurrences {
    uint64_t count = 0;         // in all words, as often as they occur
    std::vector<Place> places;  // of the left token: all where the pair stands, and others where it stood
};

// What the queue orders: its counts are those of the time when they were put in.
struct Candidate {
    uint64_t count = 0;
    Pair pair;

    bool operator<(const Candidate& other) const {
        return count != other.count ? count < other.count : other.pair < pair;
    }
};

class Trainer {
  public:
    Trainer(std::span<const WordCount> words, size_t bytes);

    TrainedBpe train(const BpeTraining& training);

  private:
    std::optional<Candidate> most_frequent();
    TokenId token_of(const Pair& pair);
    void merge(const Pair& pair, TokenId merged);
    void merge_at(Place place, const Pair& pair, TokenId merged);
    void add(const Pair& pair, Place place, uint64_t count);
    void remove(const Pair& pair, uint64_t count);
    size_t length(TokenId token) const { return trained_.tokens[static_cast<size_t>(token)].size(); }

    TrainedBpe trained_;
    std::unordered_map<std::string, TokenId> by_bytes_;
    // At the first and the last byte of every token its id, kNone at those between them and between two words.
    std::vector<TokenId> ids_;
    std::vector<uint32_t> word_;    // that the byte is of
    std::vector<uint64_t> counts_;  // of words
    std::unordered_map<Pair, Occurrences, PairHash> pairs_;
    std::vector<Pair> grown_;  // whose count the merge under way has raised
    std::priority_queue<Candidate> queue_;
};

Trainer::Trainer(std::span<const WordCount> words, size_t bytes) {
    trained_.tokens = byte_tokens();
    std::vector<TokenId> of_byte(256);
    for (TokenId id = 0; id < 256; ++id) {
        const std::string& byte = trained_.tokens[static_cast<size_t>(id)];
        of_byte[static_cast<unsigned char>(byte[0])] = id;
        by_bytes_.emplace(byte, id);
    }
    ids_.reserve(bytes + words.size() + 1);
    ids_.push_back(kNone);
    word_.reserve(ids_.capacity());
    word_.push_back(0);
    for (const WordCount& word : words) {
        for (const char byte : word.word) {
            ids_.push_back(of_byte[static_cast<unsigned char>(byte)]);
            word_.push_back(static_cast<uint32_t>(counts_.size()));
        }
        ids_.push_back(kNone);
        word_.push_back(0);
        counts_.push_back(word.count);
        trained_.text_bytes += word.count * word.word.size();
    }
    trained_.text_tokens = trained_.text_bytes;
    for (size_t i = 1; i + 1 < ids_.size(); ++i) {
        if (ids_[i] != kNone && ids_[i + 1] != kNone)
            add({ids_[i], ids_[i + 1]}, static_cast<Place>(i), counts_[word_[i]]);
    }
    for (const auto& [pair, occurrences] : pairs_) queue_.push({occurrences.count, pair});
}

TrainedBpe Trainer::train(const BpeTraining& training) {
    const auto wanted = static_cast<size_t>(training.tokens);
    Progress progress("merging pairs", wanted - trained_.tokens.size(), Progress::Unit::items, training.quiet);
    while (trained_.tokens.size() < wanted) {
        const auto next = most_frequent();
        if (!next || next->count < training.min_frequency) break;
        const size_t before = trained_.tokens.size();
        trained_.merges.emplace_back(next->pair.left, next->pair.right);
        merge(next->pair, token_of(next->pair));
        progress.advance(trained_.tokens.size() - before);
    }
    progress.finish();
    return std::move(trained_);
}

std::optional<Candidate> Trainer::most_frequent() {
    while (!queue_.empty()) {
        Candidate top = queue_.top();
        queue_.pop();
        const uint64_t count = pairs_.at(top.pair).count;
        if (count == top.count && count > 0) return top;
        // One that has grown since then was put in again; one that has shrunk waits for its turn.
        if (count < top.count && count > 0) queue_.push({count, top.pair});
    }
    return std::nullopt;
}

TokenId Trainer::token_of(const Pair& pair) {
    const auto& tokens = trained_.tokens;
    const std::string bytes = tokens[static_cast<size_t>(pair.left)] + tokens[static_cast<size_t>(pair.right)];
    const auto [entry, is_new] = by_bytes_.emplace(bytes, static_cast<TokenId>(tokens.size()));
    if (is_new) trained_.tokens.push_back(bytes);
    return entry->second;
}

void Trainer::merge(const Pair& pair, TokenId merged) {
    std::vector<Place> places = std::move(pairs_.at(pair).places);
    std::ranges::sort(places);  // from the left: two ways to one token leave them in two ascending parts
    for (const Place place : places) merge_at(place, pair, merged);
    std::ranges::sort(grown_);
    grown_.erase(std::unique(grown_.begin(), grown_.end()), grown_.end());
    for (const Pair& grown : grown_) queue_.push({pairs_.at(grown).count, grown});
    grown_.clear();
}

void Trainer::merge_at(Place place, const Pair& pair, TokenId merged) {
    const auto right = place + static_cast<Place>(length(pair.left));
    // Not where one of the two has become part of another token since.
    if (ids_[place] != pair.left || ids_[right] != pair.right) return;
    const auto end = right + static_cast<Place>(length(pair.right));
    const TokenId before = ids_[place - 1], behind = ids_[end];
    const uint64_t count = counts_[word_[place]];
    trained_.text_tokens -= count;
    remove(pair, count);
    if (before != kNone) remove({before, pair.left}, count);
    if (behind != kNone) remove({pair.right, behind}, count);
    ids_[right - 1] = ids_[right] = kNone;
    ids_[place] = ids_[end - 1] = merged;
    const auto grow = [&](const Pair& neighbours, Place at) {
        add(neighbours, at, count);
        grown_.push_back(neighbours);
    };
    if (before != kNone) grow({before, merged}, place - static_cast<Place>(length(before)));
    if (behind != kNone) grow({merged, behind}, place);
}

void Trainer::add(const Pair& pair, Place place, uint64_t count) {
    Occurrences& occurrences = pairs_[pair];
    occurrences.count += count;
    occurrences.places.push_back(place);
}

void Trainer::remove(const Pair& pair, uint64_t count) {
    Occurrences& occurrences = pairs_.at(pair);
    CHECK_GE(occurrences.count, count);
    occurrences.count -= count;
    if (occurrences.count == 0) occurrences.places = {};
}

}  // namespace

std::vector<std::string> byte_tokens() {
    std::vector<unsigned char> bytes(256);
    std::iota(bytes.begin(), bytes.end(), 0);
    std::ranges::sort(bytes, {}, alphabet_character);
    std::vector<std::string> tokens;
    for (const unsigned char byte : bytes) tokens.emplace_back(1, static_cast<char>(byte));
    return tokens;
}

Result<TrainedBpe> train_bpe(std::span<const WordCount> words, const BpeTraining& training) {
    CHECK_GE(training.tokens, 256);
    size_t bytes = 1;
    for (const WordCount& word : words) bytes += word.word.size() + 1;
    if (bytes > std::numeric_limits<Place>::max())
        return error("the words, each taken once, have {}; at most 4 GiB can be learnt from",
                     format_bytes(static_cast<double>(bytes)));
    return Trainer(words, bytes).train(training);
}

}  // namespace hone::text
