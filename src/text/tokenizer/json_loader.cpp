// tokenizer.json: the container, the vocabulary and the model. The sections for normalising, cutting, decoding and
// post-processing are read by json_components.cpp.
#include "text/tokenizer/bpe.h"
#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/json_components.h"
#include "text/tokenizer/loaders.h"
#include "text/tokenizer/unigram.h"
#include "text/tokenizer/wordpiece.h"

namespace hone::text {

namespace {

// "model.vocab" as an object {token: id}.
void read_vocabulary(const JsonView& vocab, Vocabulary& out) {
    vocab.for_each_member([&](std::string_view token, const JsonView& id) {
        const int64_t number = id.integer();
        if (!id.ok()) return;
        if (const Status added = out.add(number, token); !added) id.fail(added.error().message);
    });
    if (vocab.ok() && out.size() == 0) vocab.fail("the vocabulary is empty");
}

std::optional<TokenId> named_token(const JsonView& name, const Vocabulary& vocabulary) {
    if (!name.exists()) return std::nullopt;
    const auto id = vocabulary.find(name.text());
    if (!id) name.fail("this token is not in the vocabulary");
    return id;
}

void read_merges(const JsonView& list, const Vocabulary& vocabulary, MergeTable& merges) {
    merges.reserve(list.size());
    uint32_t rank = 0;
    std::string joined;
    list.for_each([&](const JsonView& merge) {
        std::string_view left, right;
        if (merge.is_string()) {  // "left right"
            const std::string_view both = merge.text();
            const size_t space = both.find(' ');
            left = both.substr(0, space);
            if (space != std::string_view::npos) right = both.substr(space + 1);
        } else if (merge.size() == 2) {  // ["left", "right"]
            size_t side = 0;
            merge.for_each([&](const JsonView& text) { (side++ == 0 ? left : right) = text.text(); });
        }
        joined.assign(left).append(right);
        const auto left_id = vocabulary.find(left), right_id = vocabulary.find(right), merged = vocabulary.find(joined);
        if (left.empty() || right.empty() || !left_id || !right_id || !merged) {
            return merge.fail("expected two tokens of the vocabulary whose concatenation is a token too");
        }
        merges.add(*left_id, *right_id, rank++, *merged);
    });
}

ByteIds byte_alphabet_ids(const Vocabulary& vocabulary) {
    ByteIds ids;
    for (size_t b = 0; b < ids.size(); ++b) {
        std::string character;
        append_utf8(character, alphabet_character(static_cast<unsigned char>(b)));
        ids[b] = vocabulary.find(character).value_or(-1);
    }
    return ids;
}

ByteIds fallback_ids(const Vocabulary& vocabulary) {
    ByteIds ids;
    for (size_t b = 0; b < ids.size(); ++b) ids[b] = vocabulary.find(fmt::format("<0x{:02X}>", b)).value_or(-1);
    return ids;
}

// The vocabulary as byte strings, for looking up whole pieces.
Vocabulary byte_strings(const Vocabulary& vocabulary) {
    Vocabulary out;
    for (TokenId id = 0; id < vocabulary.size(); ++id) {
        if (!vocabulary.contains(id)) continue;
        if (const auto bytes = bytes_of_alphabet(vocabulary[id])) (void)out.add(id, *bytes);
    }
    return out;
}

void read_bpe(const JsonView& model, bool byte_level, TokenizerParts& parts) {
    for (const std::string_view field : {"continuing_subword_prefix", "end_of_word_suffix"}) {
        if (const auto affix = model[field]; !affix.text_or("").empty())
            affix.fail("affixes of subwords are not supported");
    }
    if (const auto dropout = model["dropout"]; dropout.exists() && dropout.number() != 0) {
        dropout.fail("dropout would make encoding random");
    }
    BpeParts bpe;
    bpe.byte_level = byte_level;
    bpe.whole_pieces = model["ignore_merges"].flag_or(false);
    bpe.byte_fallback = model["byte_fallback"].flag_or(false) && !byte_level;
    bpe.fuse_unknown = model["fuse_unk"].flag_or(false);
    bpe.unknown = named_token(model["unk_token"], parts.vocabulary);
    read_merges(model["merges"], parts.vocabulary, bpe.merges);
    if (!model.ok()) return;
    bpe.bytes = byte_level ? byte_alphabet_ids(parts.vocabulary) : fallback_ids(parts.vocabulary);
    if (!byte_level) {
        bpe.tokens = parts.vocabulary;
    } else if (bpe.whole_pieces) {
        bpe.tokens = byte_strings(parts.vocabulary);
    }
    auto made = std::make_unique<Bpe>(std::move(bpe));
    if (made->can_cut_before(kSpaceSymbol)) {
        std::vector<PreTokenizerPtr> steps;
        if (parts.pretokenizer) steps.push_back(std::move(parts.pretokenizer));
        steps.push_back(make_split(make_mark_scanner(std::string(kSpaceSymbol)), SplitBehavior::kIsolated, false));
        parts.pretokenizer = make_sequence(std::move(steps));
    }
    parts.model = std::move(made);
}

void read_unigram(const JsonView& model, TokenizerParts& parts) {
    constexpr double kUnknownPenalty = 10;
    UnigramParts unigram;
    double least = 0;
    std::vector<std::pair<std::string, int32_t>> tokens;
    model["vocab"].for_each([&](const JsonView& entry) {
        if (entry.size() != 2) return entry.fail("expected [token, score]");
        size_t field = 0;
        entry.for_each([&](const JsonView& value) {
            if (field++ == 0) {
                tokens.emplace_back(value.text(), static_cast<int32_t>(tokens.size()));
            } else {
                unigram.scores.push_back(value.number());
                least = unigram.scores.size() == 1 ? unigram.scores[0] : std::min(least, unigram.scores.back());
            }
        });
        if (!entry.ok()) return;
        const auto id = static_cast<int64_t>(tokens.size()) - 1;
        if (const Status added = parts.vocabulary.add(id, tokens.back().first); !added)
            entry.fail(added.error().message);
    });
    if (model.ok() && tokens.empty()) model["vocab"].fail("the vocabulary is empty");
    if (const auto unknown = model["unk_id"]; unknown.exists()) {
        const int64_t id = unknown.integer();
        if (id < 0 || id >= static_cast<int64_t>(tokens.size())) return unknown.fail("not an id of the vocabulary");
        unigram.unknown = static_cast<TokenId>(id);
    }
    unigram.unknown_score = least - kUnknownPenalty;
    unigram.byte_fallback = model["byte_fallback"].flag_or(false);
    unigram.bytes = fallback_ids(parts.vocabulary);
    unigram.tokens = Trie(std::move(tokens));
    parts.model = std::make_unique<Unigram>(std::move(unigram));
}

void read_wordpiece(const JsonView& model, TokenizerParts& parts) {
    const std::string prefix(model["continuing_subword_prefix"].text_or("##"));
    const int64_t longest = model["max_input_chars_per_word"].integer_or(100);
    if (longest < 0) model["max_input_chars_per_word"].fail("expected a number that is not negative");
    WordPieceParts wordpiece;
    wordpiece.longest_word = static_cast<size_t>(longest);
    const auto unknown = named_token(model["unk_token"], parts.vocabulary);
    if (!unknown) return model["unk_token"].fail("WordPiece needs an unknown token");
    wordpiece.unknown = *unknown;
    std::vector<std::pair<std::string, int32_t>> beginnings, continuations;
    for (TokenId id = 0; id < parts.vocabulary.size(); ++id) {
        const std::string_view token = parts.vocabulary[id];
        beginnings.emplace_back(token, id);
        if (token.starts_with(prefix)) continuations.emplace_back(token.substr(prefix.size()), id);
    }
    wordpiece.beginnings = Trie(std::move(beginnings));
    wordpiece.continuations = Trie(std::move(continuations));
    parts.model = std::make_unique<WordPiece>(std::move(wordpiece));
}

void read_model(const JsonView& model, bool byte_level, TokenizerParts& parts) {
    std::string_view type = model["type"].text_or("");
    if (type.empty()) type = model["merges"].exists() ? "BPE" : model["unk_id"].exists() ? "Unigram" : "WordPiece";
    if (type == "Unigram") return read_unigram(model, parts);
    read_vocabulary(model["vocab"], parts.vocabulary);
    if (!model.ok()) return;
    if (type == "BPE") {
        read_bpe(model, byte_level, parts);
    } else if (type == "WordPiece") {
        read_wordpiece(model, parts);
    } else {
        model["type"].fail(fmt::format("model {:?} is not supported; BPE, Unigram and WordPiece are", type));
    }
}

std::vector<AddedToken> read_added_tokens(const JsonView& list, TokenizerParts& parts) {
    std::vector<AddedToken> tokens;
    list.for_each([&](const JsonView& entry) {
        AddedToken token = read_added_token(entry, entry["id"].integer());
        if (!entry.ok()) return;
        if (const Status added = parts.vocabulary.replace(token.id, token.content); !added)
            entry.fail(added.error().message);
        if (token.special) parts.special.push_back(token.id);
        if (!token.content.empty()) tokens.push_back(std::move(token));
    });
    return tokens;
}

void fill_decoder(const DecodeSteps& steps, TokenizerParts& parts) {
    std::vector<std::string> shown(static_cast<size_t>(parts.vocabulary.size()));
    for (TokenId id = 0; id < parts.vocabulary.size(); ++id) shown[static_cast<size_t>(id)] = parts.vocabulary[id];
    for (size_t i = 0; i < parts.added.tokens().size(); ++i) {
        shown[static_cast<size_t>(parts.added.tokens()[i].id)] = parts.added.shown(i);
    }
    parts.decoder.leading_spaces = steps.leading_spaces;
    for (TokenId id = 0; id < parts.vocabulary.size(); ++id) {
        if (!parts.vocabulary.contains(id)) continue;
        const std::string& text = shown[static_cast<size_t>(id)];
        parts.decoder.tokens.set(id, steps.token_bytes(text, false));
        if (steps.first_differs()) parts.decoder.first_tokens.set(id, steps.token_bytes(text, true));
    }
}

void read_tokenizer(const JsonView& root, TokenizerParts& parts) {
    if (!root["model"].is_object()) return root["model"].fail("expected an object");
    parts.normalizer = read_normalizer(root["normalizer"]);
    bool byte_level = false;
    parts.pretokenizer = read_pretokenizer(root["pre_tokenizer"], byte_level);
    const DecodeSteps steps = read_decoder(root["decoder"]);
    if (!root.ok()) return;
    read_model(root["model"], byte_level, parts);
    if (!root.ok()) return;
    auto added = read_added_tokens(root["added_tokens"], parts);
    if (!root.ok()) return;
    parts.added = AddedTokens(std::move(added), parts.normalizer.get());
    parts.post = read_post_processor(root["post_processor"], parts.vocabulary);
    fill_decoder(steps, parts);
}

}  // namespace

Result<TokenizerParts> load_tokenizer_json(const FileSet& files) {
    TokenizerParts parts;
    const Status read =
        read_json_file(files, kTokenizerJson, [&](const JsonView& root) { read_tokenizer(root, parts); });
    if (!read) return read.error();
    return parts;
}

}  // namespace hone::text
