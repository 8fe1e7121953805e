// SentencePiece .model files (sentencepiece_model.proto): pieces with scores and types, the normaliser's options and
// character map. Our own BPE and Unigram run them, so that offsets, pieces and streams are those of every other
// tokenizer.
//
//   ModelProto:     1 pieces {1 piece, 2 score, 3 type}   2 trainer_spec   3 normalizer_spec
//   TrainerSpec:    3 model_type (1 unigram, 2 BPE), 24 treat_whitespace_as_suffix, 35 byte_fallback, 40 unk_id,
//                   41 bos_id, 42 eos_id, 44 unk_surface
//   NormalizerSpec: 2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces, 5 escape_whitespaces
#include <algorithm>
#include <cmath>

#include "text/tokenizer/bpe.h"
#include "text/tokenizer/loaders.h"
#include "text/tokenizer/protobuf_reader.h"
#include "text/tokenizer/unigram.h"

namespace hone::text {

namespace {

constexpr double kUnknownPenalty = 10;  // below the least score (unigram_model.cc)

enum PieceType { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
enum ModelType { kUnigramModel = 1, kBpeModel = 2 };

struct SpPiece {
    std::string text;
    float score = 0;
    int type = kNormal;
    bool mergeable() const { return type == kNormal || type == kUserDefined; }
};

struct SpModel {
    std::vector<SpPiece> pieces;
    int model_type = kUnigramModel;
    bool byte_fallback = false;
    int64_t bos_id = 1, eos_id = 2;
    std::string unknown_surface = " \u2047 ";
    std::string charsmap;
    SentencePieceOptions normalizer;
};

int64_t signed_id(const ProtobufReader& field) {
    return static_cast<int32_t>(static_cast<uint32_t>(field.number()));
}

Status read_piece(std::string_view message, SpModel& model) {
    SpPiece piece;
    ProtobufReader field(message);
    while (field.next()) {
        if (field.field() == 1) piece.text = field.bytes();
        if (field.field() == 2) piece.score = field.real();
        if (field.field() == 3) piece.type = static_cast<int>(std::min<uint64_t>(field.number(), 100));
    }
    const size_t index = model.pieces.size();
    if (field.malformed()) return error("piece {}: malformed message", index);
    if (index >= static_cast<size_t>(kMaxVocabulary)) return error("more than {} pieces", kMaxVocabulary);
    if (piece.text.empty() || piece.text.size() > kLongestMergedToken || !is_valid_utf8(piece.text)) {
        return error("piece {}: its text is not UTF-8 of 1 to {} bytes", index, kLongestMergedToken);
    }
    if (!std::isfinite(piece.score)) return error("piece {}: its score is not finite", index);
    if (piece.type < kNormal || piece.type > kByte) return error("piece {}: unknown type {}", index, piece.type);
    model.pieces.push_back(std::move(piece));
    return ok();
}

Status read_trainer(std::string_view message, SpModel& model) {
    ProtobufReader field(message);
    while (field.next()) {
        switch (field.field()) {
            case 3:
                model.model_type = static_cast<int>(field.number());
                break;
            case 24:
                model.normalizer.whitespace_as_suffix = field.flag();
                break;
            case 35:
                model.byte_fallback = field.flag();
                break;
            case 41:
                model.bos_id = signed_id(field);
                break;
            case 42:
                model.eos_id = signed_id(field);
                break;
            case 44:
                model.unknown_surface = field.bytes();
                break;
            default:
                break;
        }
    }
    return field.malformed() ? Status(error("trainer_spec is malformed")) : ok();
}

Status read_normalizer(std::string_view message, SpModel& model) {
    ProtobufReader field(message);
    while (field.next()) {
        switch (field.field()) {
            case 2:
                model.charsmap = field.bytes();
                break;
            case 3:
                model.normalizer.add_dummy_prefix = field.flag();
                break;
            case 4:
                model.normalizer.remove_extra_whitespaces = field.flag();
                break;
            case 5:
                model.normalizer.escape_whitespaces = field.flag();
                break;
            default:
                break;
        }
    }
    return field.malformed() ? Status(error("normalizer_spec is malformed")) : ok();
}

Result<SpModel> read_model(std::string_view bytes) {
    SpModel model;
    ProtobufReader field(bytes);
    while (field.next()) {
        Status read;
        if (field.field() == 1) read = read_piece(field.bytes(), model);
        if (field.field() == 2) read = read_trainer(field.bytes(), model);
        if (field.field() == 3) read = read_normalizer(field.bytes(), model);
        if (!read) return read.error();
    }
    if (field.malformed() || model.pieces.empty()) return error("not a SentencePiece model");
    if (model.model_type != kUnigramModel && model.model_type != kBpeModel) {
        return error("trainer_spec.model_type {} is not supported; unigram (1) and BPE (2) are", model.model_type);
    }
    return model;
}

Trie user_defined(const SpModel& model) {
    std::vector<std::pair<std::string, int32_t>> symbols;
    for (size_t i = 0; i < model.pieces.size(); ++i) {
        if (model.pieces[i].type == kUserDefined) symbols.emplace_back(model.pieces[i].text, static_cast<int32_t>(i));
    }
    return Trie(std::move(symbols));
}

// "<0x41>" of a byte piece.
std::optional<unsigned char> byte_of(const SpPiece& piece) {
    if (piece.type != kByte || piece.text.size() != 6 || !piece.text.starts_with("<0x")) return std::nullopt;
    unsigned value = 0;
    for (const char c : piece.text.substr(3, 2)) {
        if (!std::isxdigit(static_cast<unsigned char>(c))) return std::nullopt;
        value = value * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : (c & 7) + 9);
    }
    return static_cast<unsigned char>(value);
}

Result<ByteIds> byte_ids(const SpModel& model) {
    ByteIds ids;
    ids.fill(-1);
    if (!model.byte_fallback) return ids;
    for (size_t i = 0; i < model.pieces.size(); ++i) {
        if (const auto byte = byte_of(model.pieces[i])) ids[*byte] = static_cast<TokenId>(i);
    }
    if (std::count(ids.begin(), ids.end(), -1) > 0) return error("byte_fallback without a piece for every byte");
    return ids;
}

Result<std::unique_ptr<Model>> make_bpe(const SpModel& model, std::optional<TokenId> unknown, ByteIds bytes) {
    BpeParts parts;
    parts.byte_level = false;
    parts.bytes = bytes;
    parts.byte_fallback = model.byte_fallback;
    parts.unknown = unknown;
    parts.fuse_unknown = true;
    parts.frozen = user_defined(model);
    std::vector<float> scores;
    for (size_t i = 0; i < model.pieces.size(); ++i) {
        if (!model.pieces[i].mergeable()) continue;
        if (const Status added = parts.tokens.add(static_cast<int64_t>(i), model.pieces[i].text); !added)
            return added.error();
        scores.push_back(model.pieces[i].score);
    }
    // The best score is rank 0, equal scores have equal ranks.
    std::sort(scores.begin(), scores.end(), std::greater<>());
    scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
    std::vector<uint32_t> rank(model.pieces.size(), UINT32_MAX);
    for (size_t i = 0; i < model.pieces.size(); ++i) {
        if (!model.pieces[i].mergeable()) continue;
        const auto found = std::lower_bound(scores.begin(), scores.end(), model.pieces[i].score, std::greater<>());
        rank[i] = static_cast<uint32_t>(found - scores.begin());
    }
    parts.merges = merges_by_concatenation(parts.tokens, rank);
    return std::unique_ptr<Model>(std::make_unique<Bpe>(std::move(parts)));
}

std::unique_ptr<Model> make_unigram(const SpModel& model, std::optional<TokenId> unknown, ByteIds bytes) {
    UnigramParts parts;
    parts.unknown = unknown;
    parts.byte_fallback = model.byte_fallback;
    parts.bytes = bytes;
    parts.single_precision = true;
    float least = std::numeric_limits<float>::max();
    for (const SpPiece& piece : model.pieces)
        if (piece.type == kNormal) least = std::min(least, piece.score);
    parts.unknown_score = least - static_cast<float>(kUnknownPenalty);
    std::vector<std::pair<std::string, int32_t>> tokens;
    parts.scores.resize(model.pieces.size());
    for (size_t i = 0; i < model.pieces.size(); ++i) {
        const SpPiece& piece = model.pieces[i];
        if (!piece.mergeable()) continue;
        tokens.emplace_back(piece.text, static_cast<int32_t>(i));
        // Others are below 0, so that a user-defined symbol always wins, and a longer one over shorter ones.
        const float bonus = 0.1f * static_cast<float>(piece.text.size() - 1);
        parts.scores[i] = piece.type == kUserDefined ? bonus : piece.score;
    }
    parts.tokens = Trie(std::move(tokens));
    return std::make_unique<Unigram>(std::move(parts));
}

// Vocabulary, bytes of every piece, special and unknown pieces.
Status fill_tables(const SpModel& model, TokenizerParts& parts) {
    for (size_t i = 0; i < model.pieces.size(); ++i) {
        const SpPiece& piece = model.pieces[i];
        const auto id = static_cast<TokenId>(i);
        if (const Status added = parts.vocabulary.add(id, piece.text); !added) return added;
        std::string bytes = piece.text;
        if (piece.type == kControl) {
            parts.special.push_back(id);
            bytes.clear();
        } else if (piece.type == kUnknown) {
            if (!parts.without_bytes) parts.without_bytes = id;
            bytes = model.unknown_surface;
        } else if (const auto byte = byte_of(piece)) {
            bytes.assign(1, static_cast<char>(*byte));
        } else {
            for (size_t at = bytes.find(kSpaceSymbol); at != std::string::npos; at = bytes.find(kSpaceSymbol, at + 1)) {
                bytes.replace(at, kSpaceSymbol.size(), " ");
            }
        }
        parts.decoder.tokens.set(id, bytes);
        if (bytes.starts_with(' ') && !piece.text.starts_with(kSpaceSymbol)) parts.decoder.verbatim.push_back(id);
    }
    return ok();
}

// Tokens that tokenizer_config.json adds behind the pieces.
Status add_tokens(const TokenizerConfig& config, size_t pieces, TokenizerParts& parts) {
    std::vector<AddedToken> tokens;
    for (const AddedToken& token : config.added_tokens) {
        if (static_cast<size_t>(token.id) < pieces) continue;
        if (const Status added = parts.vocabulary.add(token.id, token.content); !added) return added;
        parts.decoder.tokens.set(token.id, token.content);
        if (token.special) parts.special.push_back(token.id);
        tokens.push_back(token);
        tokens.back().normalized = false;
    }
    parts.added = AddedTokens(std::move(tokens), nullptr);
    return ok();
}

}  // namespace

Result<TokenizerParts> load_sentencepiece(const FileSet& files, const TokenizerConfig& config) {
    const auto fail = [&](const Error& failure) { return failure.within(files.path_of(kSentencePieceModel)); };
    const auto bytes = files.read(kSentencePieceModel, kLargestVocabularyFile);
    if (!bytes) return bytes.error();
    auto model = read_model(*bytes);
    if (!model) return fail(model.error());
    const auto byte_table = byte_ids(*model);
    if (!byte_table) return fail(byte_table.error());

    TokenizerParts parts;
    if (const Status filled = fill_tables(*model, parts); !filled) return fail(filled.error());
    if (const Status added = add_tokens(config, model->pieces.size(), parts); !added) return fail(added.error());
    auto normalizer = make_sentencepiece_normalizer(model->charsmap, user_defined(*model), model->normalizer);
    if (!normalizer) return fail(normalizer.error());
    parts.normalizer = std::move(*normalizer);
    parts.decoder.drops_per_token = model->normalizer.remove_extra_whitespaces;
    parts.decoder.leading_spaces = model->normalizer.add_dummy_prefix ? 1 : 0;

    if (model->model_type == kUnigramModel) {
        parts.model = make_unigram(*model, parts.without_bytes, *byte_table);
    } else {
        auto bpe = make_bpe(*model, parts.without_bytes, *byte_table);
        if (!bpe) return fail(bpe.error());
        if (static_cast<const Bpe&>(**bpe).can_cut_before(kSpaceSymbol)) {
            parts.pretokenizer =
                make_split(make_mark_scanner(std::string(kSpaceSymbol)), SplitBehavior::kIsolated, false);
        }
        parts.model = std::move(*bpe);
    }
    const auto piece_id = [&](int64_t id) -> std::optional<TokenId> {
        if (!parts.vocabulary.contains(static_cast<TokenId>(id))) return std::nullopt;
        return static_cast<TokenId>(id);
    };
    parts.bos = piece_id(model->bos_id);
    parts.eos = piece_id(model->eos_id);
    if (config.add_bos_token.value_or(true) && parts.bos) parts.post.before = {*parts.bos};
    if (config.add_eos_token.value_or(false) && parts.eos) parts.post.after = {*parts.eos};
    return parts;
}

}  // namespace hone::text
