// Learning byte-pair encoding: by hand, against a trainer that counts everything anew for every merge, and as a file
// that our tokenizer reads.
#include "text/tokenizer/bpe_trainer.h"

#include <algorithm>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "text/tokenizer/json_writer.h"
#include "text/tokenizer/tokenizer.h"
#include "text/utf8.h"

namespace hone::text {
namespace {

TrainedBpe trained(const std::vector<WordCount>& words, int32_t tokens, uint64_t min_frequency = 1) {
    auto bpe = train_bpe(words, {.tokens = tokens, .min_frequency = min_frequency, .quiet = true});
    CHECK(bpe.ok(), "{}", bpe.ok() ? "" : bpe.error().message);
    return std::move(*bpe);
}

// As text: "l+o".
std::vector<std::string> merges_of(const TrainedBpe& bpe) {
    std::vector<std::string> out;
    const auto text = [&](TokenId id) { return bpe.tokens[static_cast<size_t>(id)]; };
    for (const auto& [left, right] : bpe.merges) out.push_back(text(left) + "+" + text(right));
    return out;
}

// The definition, written down: count all pairs of all words, merge the one that occurs most often, begin again.
TrainedBpe naively_trained(const std::vector<WordCount>& words, int32_t tokens, uint64_t min_frequency) {
    using Ids = std::vector<TokenId>;
    TrainedBpe bpe{.tokens = byte_tokens(), .merges = {}};
    const auto id_of = [&](const std::string& bytes) {
        const auto found = std::ranges::find(bpe.tokens, bytes);
        if (found == bpe.tokens.end()) bpe.tokens.push_back(bytes);
        return static_cast<TokenId>(std::ranges::find(bpe.tokens, bytes) - bpe.tokens.begin());
    };
    std::vector<Ids> split;
    for (const WordCount& word : words) {
        Ids ids;
        for (const char byte : word.word) ids.push_back(id_of(std::string(1, byte)));
        split.push_back(ids);
    }
    while (std::ssize(bpe.tokens) < tokens) {
        std::map<std::pair<TokenId, TokenId>, uint64_t> counts;
        for (size_t w = 0; w < words.size(); ++w)
            for (size_t i = 0; i + 1 < split[w].size(); ++i) counts[{split[w][i], split[w][i + 1]}] += words[w].count;
        const auto best = std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; });
        if (best == counts.end() || best->second < min_frequency) break;
        const auto [left, right] = best->first;
        const TokenId merged = id_of(bpe.tokens[static_cast<size_t>(left)] + bpe.tokens[static_cast<size_t>(right)]);
        bpe.merges.emplace_back(left, right);
        for (Ids& ids : split) {
            Ids out;
            for (size_t i = 0; i < ids.size(); ++i) {
                const bool is_pair = i + 1 < ids.size() && ids[i] == left && ids[i + 1] == right;
                out.push_back(is_pair ? merged : ids[i]);
                i += is_pair;
            }
            ids = out;
        }
    }
    return bpe;
}

std::unique_ptr<Tokenizer> loaded(const std::string& tokenizer_json) {
    const std::map<std::string, std::string_view> files = {{"tokenizer.json", tokenizer_json}};
    auto tokenizer = Tokenizer::load(FileSet("trained", files));
    CHECK(tokenizer.ok(), "{}", tokenizer.ok() ? "" : tokenizer.error().message);
    return std::move(*tokenizer);
}

TEST(BpeTrainer, merges_by_hand) {
    // The example of Sennrich et al. 2016: e+s and s+t occur 9 times; of these e+s has the smaller ids.
    const std::vector<WordCount> words = {{"low", 5}, {"lower", 2}, {"newest", 6}, {"widest", 3}};
    const TrainedBpe bpe = trained(words, 256 + 10);
    EXPECT_EQ(merges_of(bpe), (std::vector<std::string>{"e+s", "es+t", "l+o", "lo+w", "e+w", "n+ew", "new+est", "d+est",
                                                        "i+dest", "w+idest"}));
    EXPECT_EQ(bpe.tokens[256 + 6], "newest");
}

TEST(BpeTrainer, bytes_come_first_in_the_order_of_their_alphabet) {
    const auto tokens = byte_tokens();
    ASSERT_EQ(tokens.size(), 256U);
    EXPECT_EQ(tokens[0], "!");
    EXPECT_EQ(tokens[93], "~");
    EXPECT_EQ(tokens[188], std::string(1, '\0'));
    EXPECT_EQ(tokens[220], " ");
}

TEST(BpeTrainer, ends_where_no_pair_is_frequent_enough) {
    const std::vector<WordCount> words = {{"ab", 3}, {"cd", 2}};
    EXPECT_EQ(merges_of(trained(words, 1000, 3)), (std::vector<std::string>{"a+b"}));
    EXPECT_EQ(merges_of(trained(words, 1000)), (std::vector<std::string>{"a+b", "c+d"}));
    EXPECT_TRUE(trained({}, 1000).merges.empty());
    EXPECT_TRUE(trained(words, 256).merges.empty());
}

TEST(BpeTrainer, runs_of_one_byte_merge_from_the_left) {
    // aaaaa: four pairs overlap; then (aa)(aa)(a), then (aaaa)(a).
    const TrainedBpe bpe = trained({{"aaaaa", 1}}, 300);
    EXPECT_EQ(merges_of(bpe), (std::vector<std::string>{"a+a", "aa+a", "aa+aaa"}));
}

TEST(BpeTrainer, equals_a_trainer_that_counts_anew_for_every_merge) {
    std::mt19937 random(11);
    for (int round = 0; round < 300; ++round) {
        const int letters = 1 + static_cast<int>(random() % 5);  // few: pairs overlap, tokens are made in two ways
        std::vector<WordCount> words;
        for (size_t w = 1 + random() % 30; w > 0; --w) {
            std::string word;
            for (size_t i = 1 + random() % 24; i > 0; --i) word += static_cast<char>('a' + random() % letters);
            words.push_back({word, 1 + random() % 4});
        }
        const auto tokens = static_cast<int32_t>(256 + random() % 120);
        const uint64_t min_frequency = 1 + random() % 3;
        const TrainedBpe expected = naively_trained(words, tokens, min_frequency);
        std::ranges::shuffle(words, random);
        const TrainedBpe bpe = trained(words, tokens, min_frequency);
        ASSERT_EQ(bpe.merges, expected.merges) << round;
        ASSERT_EQ(bpe.tokens, expected.tokens) << round;
    }
}

TEST(BpeTrainer, words_are_what_the_pattern_cuts_between_added_tokens) {
    const auto pattern = make_scanner(patterns::kQwen2);
    const AddedTokens added({{.id = 0, .content = "<|end|>", .special = true}}, nullptr);
    WordCounter one(*pattern, added), two(*pattern, added);
    one.add("to be or not to be<|end|>12");
    two.add(" be\xFF");
    one.join(two);
    EXPECT_EQ(one.words(), 10U);
    std::vector<std::string> words;
    for (const WordCount& word : one.take()) words.push_back(fmt::format("{} {}", word.word, word.count));
    EXPECT_EQ(words, (std::vector<std::string>{" be 3", " not 1", " or 1", " to 1", "1 1", "2 1", "to 1", "\uFFFD 1"}));
    EXPECT_EQ(one.distinct_words() + two.distinct_words() + two.words(), 0U);
}

TEST(BpeTrainer, what_is_written_encodes_as_the_merges_say_and_decodes_every_byte) {
    const auto pattern = make_scanner(patterns::kQwen2);
    const AddedTokens none;
    WordCounter counter(*pattern, none);
    counter.add("low low low lower lowest newest newest 123 Grüße, 世界! 🙂 Grüße");
    const TrainedBpe bpe = trained(counter.take(), 300, 2);
    const auto id = static_cast<TokenId>(bpe.tokens.size());
    const AddedToken end{.id = id, .content = "<|end|>", .special = true}, call{.id = id + 1, .content = "<tool_call>"};
    const auto tokenizer = loaded(tokenizer_json(bpe, std::vector{end, call}, patterns::kQwen2));
    EXPECT_EQ(tokenizer->vocabulary_size(), id + 2);
    const auto ids = tokenizer->encode("<tool_call> low<|end|>");
    ASSERT_EQ(ids.size(), 3U);
    EXPECT_EQ(ids[0], id + 1);
    EXPECT_EQ(bpe.tokens[static_cast<size_t>(ids[1])], " low");
    EXPECT_EQ(tokenizer->decode(ids), "<tool_call> low");
    std::mt19937 random(5);
    for (int round = 0; round < 200; ++round) {
        std::string bytes;
        for (size_t i = random() % 60; i > 0; --i)
            bytes += random() % 3 ? "lowerst Gr123\n"[random() % 14] : static_cast<char>(random());
        EXPECT_EQ(tokenizer->decode(tokenizer->encode(bytes)), repair_utf8(bytes));
    }
    for (TokenId byte = 0; byte < 256; ++byte)
        EXPECT_EQ(tokenizer->piece_bytes(byte), bpe.tokens[static_cast<size_t>(byte)]);
}

}  // namespace
}  // namespace hone::text
