// tiktoken rank files: a line is the base64 of a token's bytes, a space, its rank, which is its id too. Neighbours
// merge whenever their concatenation is a token, the lowest rank first. The pattern and the special tokens are not in
// the file.
#include <charconv>
#include <numeric>

#include "text/tokenizer/base64.h"
#include "text/tokenizer/bpe.h"
#include "text/tokenizer/loaders.h"

namespace hone::text {

namespace {

constexpr int kKimiSpecialSlots = 256;

Status read_ranks(std::string_view text, Vocabulary& ranks) {
    for (size_t line_number = 1; !text.empty(); ++line_number) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty()) continue;
        const size_t space = line.find(' ');
        const auto bytes = decode_base64(line.substr(0, space));
        int64_t rank = -1;
        if (space != std::string_view::npos) std::from_chars(line.data() + space + 1, line.data() + line.size(), rank);
        if (!bytes || bytes->empty() || bytes->size() > kLongestMergedToken || rank < 0)
            return error("line {}: expected 'BASE64 RANK', 1 to {} bytes", line_number, kLongestMergedToken);
        if (const Status added = ranks.add(rank, *bytes); !added) {
            return added.error().within(fmt::format("line {}", line_number));
        }
    }
    return ranks.size() > 0 ? ok() : Status(error("the file is empty"));
}

// The special tokens: those with names, and generated names for the other slots behind the ranks.
std::vector<AddedToken> special_tokens(const TokenizerConfig& config, TokenId first, int slots) {
    std::vector<AddedToken> out = config.added_tokens;
    std::vector<bool> named(static_cast<size_t>(slots));
    for (const AddedToken& token : out) {
        if (token.id >= first && token.id < first + slots) named[static_cast<size_t>(token.id - first)] = true;
    }
    for (int i = 0; i < slots; ++i) {
        if (named[static_cast<size_t>(i)]) continue;
        AddedToken token;
        token.id = first + i;
        token.content = fmt::format("<|reserved_token_{}|>", token.id);
        token.special = true;
        out.push_back(token);
    }
    return out;
}

}  // namespace

Result<TokenizerParts> load_tiktoken(const FileSet& files, const TokenizerConfig& config, const LoadOptions& options) {
    const auto fail = [&](const Error& failure) { return failure.within(files.path_of(kTiktokenModel)); };
    const auto text = files.read(kTiktokenModel, kLargestVocabularyFile);
    if (!text) return text.error();
    const bool is_kimi = config.tokenizer_class == "TikTokenTokenizer";
    if (options.tiktoken_pattern.empty() && !is_kimi) {
        return fail(
            error("a rank file does not name its pattern, and tokenizer_class {:?} of tokenizer_config.json is not "
                  "known here; known is TikTokenTokenizer",
                  config.tokenizer_class));
    }
    auto pattern = make_pattern(options.tiktoken_pattern.empty() ? patterns::kKimi : options.tiktoken_pattern,
                                RegexDialect::kRust);
    if (!pattern) return fail(pattern.error());

    Vocabulary ranks;
    if (const Status read = read_ranks(*text, ranks); !read) return fail(read.error());
    TokenizerParts parts;
    parts.vocabulary = ranks;
    for (TokenId id = 0; id < ranks.size(); ++id) {
        if (ranks.contains(id)) parts.decoder.tokens.set(id, ranks[id]);
    }
    const int slots = options.tiktoken_special_slots.value_or(options.tiktoken_pattern.empty() ? kKimiSpecialSlots : 0);
    if (slots < 0 || slots > kMaxVocabulary - ranks.size())
        return fail(error("{} special slots are out of range", slots));
    const auto specials = special_tokens(config, ranks.size(), slots);
    for (const AddedToken& token : specials) {
        if (const Status added = parts.vocabulary.add(token.id, token.content); !added) return fail(added.error());
        if (token.special) parts.special.push_back(token.id);
        parts.decoder.tokens.set(token.id, token.content);
    }
    parts.added = AddedTokens(specials, nullptr);
    parts.pretokenizer = make_split(std::move(*pattern), SplitBehavior::kIsolated, false);

    BpeParts bpe;
    bpe.whole_pieces = true;
    for (size_t b = 0; b < bpe.bytes.size(); ++b) {
        const char byte = static_cast<char>(b);
        const auto id = ranks.find(std::string_view(&byte, 1));
        if (!id) return fail(error("byte {} has no rank, so not every text can be encoded", b));
        bpe.bytes[b] = *id;
    }
    std::vector<uint32_t> order(static_cast<size_t>(ranks.size()));
    std::iota(order.begin(), order.end(), 0);
    bpe.merges = merges_by_concatenation(ranks, order);
    bpe.tokens = std::move(ranks);
    parts.model = std::make_unique<Bpe>(std::move(bpe));
    return parts;
}

}  // namespace hone::text
