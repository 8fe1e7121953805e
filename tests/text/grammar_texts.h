// Which texts a grammar takes, for the tests of its front ends.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "text/grammar/matcher.h"

namespace hone::text {

// Every byte is a token; 256 ends a text.
inline std::shared_ptr<const MaskVocabulary> byte_vocabulary() {
    static const auto vocabulary = [] {
        std::vector<std::string> bytes;
        for (int i = 0; i < 256; i++) bytes.emplace_back(1, static_cast<char>(i));
        bytes.emplace_back();
        return std::make_shared<const MaskVocabulary>(std::move(bytes), std::vector<TokenId>{256});
    }();
    return vocabulary;
}

class GrammarTexts {
  public:
    explicit GrammarTexts(Result<Grammar> grammar) {
        if (grammar.ok()) {
            grammar_ = std::make_shared<const TokenGrammar>(std::move(*grammar), byte_vocabulary());
        } else {
            error_ = grammar.error().message;
        }
    }

    bool ok() const { return grammar_ != nullptr; }
    const std::string& error() const { return error_; }

    bool takes(std::string_view text) const {
        GrammarMatcher matcher(grammar_);
        return matcher.accept_bytes(text) && matcher.can_end();
    }

    void expect(const std::vector<std::string>& taken, const std::vector<std::string>& refused) const {
        ASSERT_TRUE(ok()) << error_;
        for (const auto& text : taken) EXPECT_TRUE(takes(text)) << text;
        for (const auto& text : refused) EXPECT_FALSE(takes(text)) << text;
    }

  private:
    std::shared_ptr<const TokenGrammar> grammar_;
    std::string error_;
};

}  // namespace hone::text
