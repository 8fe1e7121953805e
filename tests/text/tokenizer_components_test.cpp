// Tokenizer components beyond the golden set, in tokenizers made for the test; expected values are those of
// `tokenizers` and `sentencepiece`.
#include <gtest/gtest.h>

#include "text/tokenizer/tokenizer.h"

namespace hone::text {
namespace {

std::unique_ptr<Tokenizer> load(const char* file, std::string_view content) {
    auto loaded = Tokenizer::load(FileSet("memory", {{file, content}}));
    CHECK(loaded.ok(), "{}", loaded.ok() ? "" : loaded.error().message);
    return std::move(*loaded);
}

// Every piece is one token, which can be no other, so that offsets show where the text is cut. Ids 1 to 3 are added.
std::unique_ptr<Tokenizer> make_json(std::string_view sections) {
    return load("tokenizer.json", fmt::format(R"({{{}, "model": {{"type": "WordPiece", "unk_token": "?",
        "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": {{"?": 0}}}}}})",
                                              sections));
}

using Offsets = std::vector<std::pair<uint32_t, uint32_t>>;

Offsets offsets_of(std::string_view sections, std::string_view text) {
    return make_json(sections)->encode_with_offsets(text).offsets;
}

TEST(TokenizerComponents, StripAccentsDropsEveryMarkBertOnlyNonspacingOnes) {
    // U+0301 is Mn, U+0903 Mc, U+20E3 Me; U+0AFA (Mn) is younger than the tables of both.
    const char* const text = "a\u0301b\u0903c\u20E3d\u0AFA";
    EXPECT_EQ(offsets_of(R"("normalizer": {"type": "StripAccents"}, "pre_tokenizer": {"type": "Split",
        "pattern": {"Regex": "."}, "behavior": "Isolated", "invert": false})",
                         text),
              (Offsets{{0, 1}, {2, 3}, {4, 5}, {6, 7}, {7, 8}}));
    EXPECT_EQ(offsets_of(R"("normalizer": {"type": "BertNormalizer", "clean_text": false, "handle_chinese_chars": false,
        "strip_accents": true, "lowercase": false}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "."},
        "behavior": "Isolated", "invert": false})",
                         text),
              (Offsets{{0, 1}, {2, 3}, {3, 4}, {4, 5}, {5, 6}, {6, 7}, {7, 8}}));
}

TEST(TokenizerComponents, PunctuationIsThatOfUnicode8) {
    // U+2E43 is younger, U+166D was punctuation then, '+' is a symbol of ASCII.
    EXPECT_EQ(
        offsets_of(R"("pre_tokenizer": {"type": "Punctuation", "behavior": "Removed"})", "a+b\u2E43c\u166Dd\u2010e"),
        (Offsets{{0, 1}, {2, 5}, {6, 7}, {8, 9}}));
}

TEST(TokenizerComponents, WhitespaceKeepsJoinersInWords) {
    EXPECT_EQ(offsets_of(R"("pre_tokenizer": {"type": "Whitespace"})", "a\u200Db\u24B6 \u00B2!"),
              (Offsets{{0, 4}, {5, 7}}));
}

TEST(TokenizerComponents, TextBehindAByteLevelDecoderIsOne) {
    const auto tokenizer = load("tokenizer.json", R"({"decoder": {"type": "Sequence", "decoders": [
        {"type": "ByteLevel"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "vocab": {"Ġ": 0, "a": 1}, "merges": []}})");
    EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{0, 1, 0, 1}), "a a");
}

TEST(TokenizerComponents, ATemplateInsideAnotherIsRefused) {
    const auto loaded = Tokenizer::load(FileSet("memory", {{"tokenizer.json", R"({"post_processor": {"type": "Sequence",
        "processors": [{"type": "BertProcessing", "cls": ["a", 0], "sep": ["a", 0]},
                       {"type": "BertProcessing", "cls": ["a", 0], "sep": ["a", 0]}]},
        "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})"}}));
    ASSERT_FALSE(loaded.ok());
    EXPECT_NE(loaded.error().message.find("post_processor.processors[1]: behind another template"), std::string::npos)
        << loaded.error().message;
}

// A token may take white space that is a token itself; this used to read outside the text.
TEST(TokenizerComponents, AddedTokensThatShareWhiteSpace) {
    const auto make = [](std::string_view newline_flags) {
        return make_json(fmt::format(R"("added_tokens": [{{"id": 1, "content": "<s>", "special": true, "rstrip": true}},
            {{"id": 2, "content": "\n", "special": true, {}}}])",
                                     newline_flags));
    };
    const auto greedy = make(R"("lstrip": true)"), plain = make(R"("lstrip": false)");
    for (const auto& [text, ids] : std::vector<std::pair<std::string, std::vector<TokenId>>>{
             {"<s>\n", {1}}, {"<s>\na", {1, 0}}, {"<s>\n\n\n", {1}}, {"a\n<s>", {0, 2, 1}}}) {
        EXPECT_EQ(greedy->encode(text), ids) << text;
        EXPECT_EQ(greedy->encode_with_offsets(text).ids, ids) << text;
    }
    EXPECT_EQ(plain->encode("<s>\n"), (std::vector<TokenId>{1, 2}));
    EXPECT_EQ(plain->encode_with_offsets("<s>\n").offsets, (Offsets{{0, 4}, {3, 4}}));
}

// A small SentencePiece file, written field by field (sentencepiece_model.proto); piece 0 is unknown.
class SentencePieceFile {
  public:
    SentencePieceFile(int model_type, bool dummy_prefix) {
        put_text(bytes_, 2, number(3, model_type));
        put_text(bytes_, 3, number(3, dummy_prefix) + number(4, 0));
        add("<unk>", 0, kUnknown);
    }
    static constexpr int kNormal = 1, kUnknown = 2, kUserDefined = 4, kByte = 6;
    SentencePieceFile& add(std::string_view text, float score, int type = kNormal) {
        std::string piece;
        put_text(piece, 1, text);
        piece += '\x15';  // field 2, four bytes
        piece.append(reinterpret_cast<const char*>(&score), sizeof score);
        put_text(bytes_, 1, piece + number(3, type));
        return *this;
    }
    std::unique_ptr<Tokenizer> load() const {
        auto loaded = Tokenizer::load(
            FileSet("memory", {{"tokenizer.model", bytes_}, {"tokenizer_config.json", R"({"add_bos_token": false})"}}));
        CHECK(loaded.ok(), "{}", loaded.ok() ? "" : loaded.error().message);
        return std::move(*loaded);
    }

  private:
    static std::string number(int field, int value) {
        return {static_cast<char>(field << 3), static_cast<char>(value)};
    }
    static void put_text(std::string& out, int field, std::string_view content) {
        out += static_cast<char>(field << 3 | 2);
        out += static_cast<char>(content.size());
        out += content;
    }

    std::string bytes_;
};

TEST(TokenizerComponents, UserDefinedSymbolsBeatEveryUnigram) {
    using File = SentencePieceFile;
    const auto tokenizer = File(1, false)
                               .add("\u2581", -0.01f)
                               .add("x", -0.01f)
                               .add("\u2581x", 0, File::kUserDefined)
                               .add("xx", 0, File::kUserDefined)
                               .load();
    EXPECT_EQ(tokenizer->encode(" x"), (std::vector<TokenId>{3}));
    EXPECT_EQ(tokenizer->encode(" xx"), (std::vector<TokenId>{3, 2}));  // more bytes, more bonus
}

TEST(TokenizerComponents, OnlySpaceSymbolsAreDroppedAtTheStart) {
    using File = SentencePieceFile;
    const auto tokenizer = File(1, true).add("\u2581", -1).add("\u2581a", -1).add("  ", 0, File::kUserDefined).load();
    const auto decoded = [&](std::vector<TokenId> ids) { return tokenizer->decode(ids); };
    EXPECT_EQ(decoded({2, 2}), "a a");
    EXPECT_EQ(decoded({1, 2}), " a");
    EXPECT_EQ(decoded({3, 2}), "   a");
    EXPECT_EQ(decoded({0, 2}), " \u2047  a");
}

}  // namespace
}  // namespace hone::text
