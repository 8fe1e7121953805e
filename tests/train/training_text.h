// Tokenizers and chat templates of the golden data for tests that read training data, and files of lines.
#pragma once

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/golden_folder.h"
#include "tests/temporary_folder.h"
#include "train/data/record_reader.h"

namespace hone::train {

// Turns as ChatML has them, with the replies in generation blocks, and without.
inline constexpr const char* kBlockTemplate =
    "{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\\n' }}{% if m.role == 'assistant' %}{% generation %}"
    "{{ '<think>\\n' ~ m.reasoning_content ~ '\\n</think>\\n\\n' if m.reasoning_content }}{{ m.content }}"
    "{{ '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}{% else %}{{ m.content ~ '<|im_end|>\\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
inline constexpr const char* kPlainTemplate =
    "{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\\n' ~ m.content ~ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

// A golden tokenizer, and the template given or that of the golden family named.
class TrainingText {
  public:
    explicit TrainingText(const std::string& tokenizer, const std::string& chat_template = "",
                          const std::string& family = "") {
        const FileSet files(golden_folder() / "text/tokenizers" / tokenizer);
        auto loaded = text::Tokenizer::load(files);
        CHECK(loaded.ok(), "{}", loaded.error().message);
        tokenizer_ = std::move(*loaded);
        auto special_tokens = text::load_special_tokens(files);
        CHECK(special_tokens.ok(), "{}", special_tokens.error().message);
        reading_ = {.tokenizer = tokenizer_.get(),
                    .special_tokens = std::move(*special_tokens),
                    .vocabulary = tokenizer_->vocabulary_size()};
        std::string source = chat_template;
        if (!family.empty()) {
            auto read = read_text_file(golden_folder() / "text/templates/families" / family / "chat_template.jinja");
            CHECK(read.ok(), "{}", read.error().message);
            source = *read;
        }
        if (source.empty()) return;
        auto parsed = text::ChatTemplate::parse(source, "chat template");
        CHECK(parsed.ok(), "{}", parsed.error().message);
        templates_.emplace(*parsed);
        reading_.chat_templates = &*templates_;
    }

    const TextReading& reading() const { return reading_; }
    const text::Tokenizer& tokenizer() const { return *tokenizer_; }
    RecordReader reader(RecordOptions options = {}) const { return RecordReader(reading_, std::move(options)); }

    // The record that a line makes; its error fails the test.
    Record read(std::string_view line, RecordOptions options = {}) const {
        auto record = reader(std::move(options)).read(line);
        EXPECT_TRUE(record.ok()) << record.error().message;
        return record ? *record : Record{};
    }
    std::string error_of(std::string_view line, RecordOptions options = {}) const {
        const auto record = reader(std::move(options)).read(line);
        return record ? "" : record.error().message;
    }

    std::string all_of(const Example& example) const { return tokenizer_->decode(example.tokens, false); }
    // The text of the tokens with a weight; "[...]" for what is between them.
    std::string trained_of(const Example& example) const {
        std::string out;
        std::vector<text::TokenId> run;
        const auto flush = [&](bool goes_on) {
            if (!run.empty()) out += tokenizer_->decode(run, false) + (goes_on ? "[...]" : "");
            run.clear();
        };
        for (size_t i = 0; i < example.tokens.size(); ++i) {
            if (example.weights[i] > 0)
                run.push_back(example.tokens[i]);
            else
                flush(true);
        }
        flush(false);
        return out;
    }

  private:
    std::unique_ptr<text::Tokenizer> tokenizer_;
    std::optional<text::ChatTemplates> templates_;
    TextReading reading_;
};

inline std::filesystem::path write_file(const TemporaryFolder& folder, const std::string& name,
                                        const std::string& content) {
    const std::filesystem::path path = folder.path / name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
}

}  // namespace hone::train
