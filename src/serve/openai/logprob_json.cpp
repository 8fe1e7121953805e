#include "serve/openai/logprob_json.h"

#include <algorithm>

#include "text/utf8.h"

namespace hone::serve {

namespace json = boost::json;

namespace {

constexpr float kLowest = -9999;

json::object token_entry(int32_t token, float logprob, const TokenWriter& writer) {
    return {{"token", writer.text(token)}, {"logprob", json_logprob(logprob)}, {"bytes", writer.bytes(token)}};
}

// {"TOKEN": logprob} of the most likely tokens and the given one; of several with the same text the likeliest counts.
json::object top_by_text(const engine::TokenRecord& record, const TokenWriter& writer, int32_t top_count) {
    json::object out;
    const size_t count = std::min(record.top.size(), static_cast<size_t>(std::max(top_count, 0)));
    for (size_t i = 0; i < count; ++i)
        out.emplace(writer.text(record.top[i].token), json_logprob(record.top[i].logprob));
    out.emplace(writer.text(record.token), json_logprob(record.raw_logprob));
    return out;
}

}  // namespace

std::string TokenWriter::text(int32_t token) const {
    if (as_ids) return fmt::format("token_id:{}", token);
    const auto bytes = tokenizer.piece_bytes(token);
    return bytes ? text::repair_utf8(*bytes) : tokenizer.token_text(token);
}

json::value TokenWriter::bytes(int32_t token) const {
    const auto piece = tokenizer.piece_bytes(token);
    if (!piece) return nullptr;
    json::array out;
    out.reserve(piece->size());
    for (const char byte : *piece) out.emplace_back(static_cast<unsigned char>(byte));
    return out;
}

// NaN, which a broken model may give, is no number in JSON either.
double json_logprob(float logprob) {
    return logprob > kLowest ? static_cast<double>(logprob) : static_cast<double>(kLowest);
}

json::object chat_logprobs(std::span<const PlacedToken> tokens, const TokenWriter& writer) {
    json::array content;
    content.reserve(tokens.size());
    for (const PlacedToken& token : tokens) {
        json::object entry = token_entry(token.record.token, token.record.raw_logprob, writer);
        json::array top;
        for (const engine::TokenLogprob& other : token.record.top)
            top.emplace_back(token_entry(other.token, other.logprob, writer));
        entry.emplace("top_logprobs", std::move(top));
        content.emplace_back(std::move(entry));
    }
    return {{"content", std::move(content)}, {"refusal", nullptr}};
}

json::object completion_logprobs(const EchoedPrompt& echo, std::span<const PlacedToken> tokens,
                                 const TokenWriter& writer, int32_t top_count) {
    json::array texts, logprobs, top, offsets;
    const auto add = [&](const engine::TokenRecord& record, size_t offset) {
        texts.emplace_back(writer.text(record.token));
        logprobs.emplace_back(json_logprob(record.raw_logprob));
        top.emplace_back(top_by_text(record, writer, top_count));
        offsets.emplace_back(offset);
    };
    if (!echo.tokens.empty()) {
        texts.emplace_back(writer.text(echo.tokens[0]));
        logprobs.emplace_back(nullptr);
        top.emplace_back(nullptr);
        offsets.emplace_back(echo.offsets[0]);
        for (size_t i = 0; i < echo.records.size(); ++i) add(echo.records[i], echo.offsets[i + 1]);
    }
    for (const PlacedToken& token : tokens) add(token.record, token.offset);
    return {{"tokens", std::move(texts)},
            {"token_logprobs", std::move(logprobs)},
            {"top_logprobs", std::move(top)},
            {"text_offset", std::move(offsets)}};
}

json::array prompt_logprobs(std::span<const engine::TokenRecord> records, const TokenWriter& writer,
                            int32_t top_count) {
    json::array out;
    out.reserve(records.size() + 1);
    out.emplace_back(nullptr);
    for (const engine::TokenRecord& record : records) {
        json::object entry;
        const auto add = [&](int32_t token, float logprob, int32_t rank) {
            entry.emplace(std::to_string(token), json::object{{"logprob", json_logprob(logprob)},
                                                              {"rank", rank},
                                                              {"decoded_token", writer.text(token)}});
        };
        add(record.token, record.raw_logprob, record.rank);
        for (int32_t i = 0; i < std::min(top_count, static_cast<int32_t>(record.top.size())); ++i) {
            const engine::TokenLogprob& other = record.top[static_cast<size_t>(i)];
            add(other.token, other.logprob, i + 1);
        }
        out.emplace_back(std::move(entry));
    }
    return out;
}

json::array processed_logprobs(std::span<const PlacedToken> tokens) {
    json::array out;
    out.reserve(tokens.size());
    for (const PlacedToken& token : tokens) out.emplace_back(json_logprob(token.record.processed_logprob));
    return out;
}

}  // namespace hone::serve
