// Every tokenizer of golden text/tokenizers: ids, offsets, decoded text, pieces and streams as the oracles give them.
#include "tests/text/tokenizer_golden.h"

#include <gtest/gtest.h>

#include "text/tokenizer/stream_decoder.h"
#include "text/tokenizer/tokenizer.h"

namespace hone::text {
namespace {

namespace json = boost::json;

std::unique_ptr<Tokenizer> load_golden(const std::string& name) {
    const auto folder = golden_text() / "tokenizers" / name;
    const auto meta = read_json(folder / "meta.json");
    LoadOptions options;
    if (const auto* pattern = meta.as_object().if_contains("pattern")) {
        options.tiktoken_pattern = json::value_to<std::string>(*pattern);
        options.tiktoken_special_slots = static_cast<int>(meta.at("special_slots").as_int64());
    }
    auto loaded = Tokenizer::load(folder, options);
    EXPECT_TRUE(loaded.ok()) << (loaded.ok() ? "" : loaded.error().message);
    return loaded.ok() ? std::move(*loaded) : nullptr;
}

std::vector<TokenId> ids_of(const json::value& row, const char* field) {
    return json::value_to<std::vector<TokenId>>(row.at(field));
}

std::string hex(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return out;
}

class TokenizerGolden : public testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        tokenizer_ = load_golden(GetParam());
        ASSERT_NE(tokenizer_, nullptr);
    }
    std::vector<json::value> rows(const char* file) const {
        return read_json_lines(golden_text() / "tokenizers" / GetParam() / file);
    }
    std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(TokenizerGolden, EncodesAsTheOracle) {
    for (const auto& row : rows("cases.jsonl")) {
        const auto text = json::value_to<std::string>(row.at("text"));
        SCOPED_TRACE(text.substr(0, 200));
        EXPECT_EQ(tokenizer_->encode(text), ids_of(row, "ids"));
        EXPECT_EQ(tokenizer_->encode(text, {.add_special_tokens = false}), ids_of(row, "ids_no_special"));
        if (row.as_object().contains("ids_plain")) {
            EXPECT_EQ(tokenizer_->encode(text, {.add_special_tokens = false, .parse_special_tokens = false}),
                      ids_of(row, "ids_plain"));
        }
        if (HasFailure()) return;
    }
}

TEST_P(TokenizerGolden, GivesTheOffsetsOfTheOracle) {
    for (const auto& row : rows("cases.jsonl")) {
        const auto text = json::value_to<std::string>(row.at("text"));
        SCOPED_TRACE(text.substr(0, 200));
        const Encoding encoding = tokenizer_->encode_with_offsets(text);
        EXPECT_EQ(encoding.ids, ids_of(row, "ids"));
        ASSERT_EQ(encoding.offsets.size(), encoding.ids.size());
        if (!row.as_object().contains("offsets")) continue;
        const auto expected = json::value_to<std::vector<std::vector<uint32_t>>>(row.at("offsets"));
        ASSERT_EQ(expected.size(), encoding.offsets.size());
        for (size_t i = 0; i < expected.size(); ++i) {
            EXPECT_EQ(encoding.offsets[i].first, expected[i][0]) << "token " << i;
            EXPECT_EQ(encoding.offsets[i].second, expected[i][1]) << "token " << i;
        }
        if (HasFailure()) return;
    }
}

TEST_P(TokenizerGolden, DecodesAsTheOracle) {
    for (const auto& row : rows("cases.jsonl")) {
        const auto ids = ids_of(row, "ids");
        SCOPED_TRACE(json::serialize(row.at("text")).substr(0, 200));
        EXPECT_EQ(tokenizer_->decode(ids, false), json::value_to<std::string>(row.at("decoded")));
        EXPECT_EQ(tokenizer_->decode(ids, true), json::value_to<std::string>(row.at("decoded_skip_special")));
        if (row.as_object().contains("pieces")) {
            const auto& pieces = row.at("pieces").as_array();
            ASSERT_EQ(pieces.size(), ids.size());
            for (size_t i = 0; i < ids.size(); ++i) {
                const auto bytes = tokenizer_->piece_bytes(ids[i]);
                ASSERT_EQ(bytes.has_value(), !pieces[i].is_null()) << "id " << ids[i];
                if (bytes) {
                    EXPECT_EQ(hex(*bytes), json::value_to<std::string>(pieces[i])) << "id " << ids[i];
                }
            }
        }
        if (HasFailure()) return;
    }
}

TEST_P(TokenizerGolden, StreamsByTheRule) {
    for (const auto& row : rows("streams.jsonl")) {
        SCOPED_TRACE(json::serialize(row).substr(0, 300));
        const bool skip = row.at("skip_special").as_bool();
        StreamDecoder stream(*tokenizer_, skip);
        const auto prompt = ids_of(row, "prompt_ids"), ids = ids_of(row, "ids");
        stream.prime(prompt);
        const auto emit = json::value_to<std::vector<std::string>>(row.at("emit"));
        std::string whole;
        for (size_t i = 0; i < ids.size(); ++i) {
            const std::string text = stream.append(ids[i]);
            EXPECT_EQ(text, emit[i]) << "id " << i;
            whole += text;
        }
        const std::string rest = stream.flush();
        EXPECT_EQ(rest, json::value_to<std::string>(row.at("flush")));
        if (prompt.empty()) {
            EXPECT_EQ(tokenizer_->decode(ids, skip), whole + rest);
        }
        if (HasFailure()) return;
    }
}

TEST_P(TokenizerGolden, KnowsItsVocabulary) {
    const auto meta = read_json(golden_text() / "tokenizers" / GetParam() / "meta.json");
    EXPECT_EQ(tokenizer_->vocabulary_size(), meta.at("vocab_size").as_int64());
    std::vector<TokenId> special;
    for (TokenId id = -1; id <= tokenizer_->vocabulary_size(); ++id) {
        if (tokenizer_->is_special(id)) special.push_back(id);
    }
    EXPECT_EQ(special, ids_of(meta, "special_ids"));
    const auto config = read_json(golden_text() / "tokenizers" / GetParam() / "tokenizer_config.json");
    if (const auto* eos = config.as_object().if_contains("eos_token"); eos && eos->is_string()) {
        EXPECT_EQ(tokenizer_->eos(), tokenizer_->token_id(json::value_to<std::string>(*eos)));
        EXPECT_TRUE(tokenizer_->eos().has_value());
    }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerGolden, testing::ValuesIn(golden_folders("tokenizers")),
                         [](const auto& info) { return info.param; });

// The engine knows Kimi's pattern and slots without being told.
TEST(TokenizerGoldenKimi, NeedsNoOptions) {
    const auto folder = golden_text() / "tokenizers" / "kimi_k2";
    const auto loaded = Tokenizer::load(folder);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    for (const auto& row : read_json_lines(folder / "cases.jsonl")) {
        EXPECT_EQ((*loaded)->encode(json::value_to<std::string>(row.at("text"))), ids_of(row, "ids"));
    }
    EXPECT_EQ((*loaded)->vocabulary_size(), read_json(folder / "meta.json").at("vocab_size").as_int64());
}

}  // namespace
}  // namespace hone::text
