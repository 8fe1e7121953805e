// An answer token by token on a terminal: what the colours go around.
#include "cli/chat/token_view.h"

#include <gtest/gtest.h>

#include "tests/golden_folder.h"

namespace hone::cli {
namespace {

class TokenView : public testing::Test {
  protected:
    TokenView() : tokenizer_(text::Tokenizer::load(golden_folder() / "models/qwen3_moe").value()) {}

    // The coloured text of tokens that are a byte each, all of them certain, without its colours.
    std::string text_of(std::string_view bytes) const {
        std::vector<engine::TokenRecord> tokens;
        for (const char byte : bytes) tokens.push_back({.token = token_of(byte), .raw_logprob = 0});
        std::string view = token_view(tokens, *tokenizer_, true);
        view.resize(view.find("\x1b[0m\n"));
        for (size_t at; (at = view.find("\x1b[32m")) != view.npos;) view.erase(at, 5);
        return view;
    }

  private:
    int32_t token_of(char byte) const {
        for (int32_t id = 0; id < tokenizer_->vocabulary_size(); id++)
            if (tokenizer_->piece_bytes(id) == std::string(1, byte)) return id;
        ADD_FAILURE() << "no token for byte " << static_cast<int>(byte);
        return 0;
    }
    std::unique_ptr<text::Tokenizer> tokenizer_;
};

TEST_F(TokenView, CharactersOfSeveralTokensStayWhole) {
    EXPECT_EQ(text_of("a\u00fcb"), "a\u00fcb");
    EXPECT_EQ(text_of("\u4e16\U0001F642"), "\u4e16\U0001F642");
    EXPECT_EQ(text_of("a\xFF"), "a\uFFFD");
    EXPECT_EQ(text_of("a\xC3"), "a\uFFFD") << "unfinished at the end";
    EXPECT_EQ(text_of(""), "");
}

TEST_F(TokenView, NoCharacterSteersTheTerminal) {
    EXPECT_EQ(text_of("a\nb\tc"), "a\nb\tc");
    EXPECT_EQ(text_of("\x1b[2J\a\x7f"), "<1B>[2J<07><7F>");
    EXPECT_EQ(text_of("\xC2\x9B[2J"), "<9B>[2J") << "an escape sequence of one character";
}

}  // namespace
}  // namespace hone::cli
