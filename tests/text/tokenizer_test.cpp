// The tokenizer's parts against plain references, and files that are not as they should be.
#include "text/tokenizer/tokenizer.h"

#include <fstream>
#include <random>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <unicode/normalizer2.h>

#include "tests/text/tokenizer_golden.h"
#include "text/tokenizer/base64.h"
#include "text/tokenizer/bpe.h"
#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/stream_decoder.h"
#include "text/tokenizer/word_cache.h"

namespace hone::text {
namespace {

std::unique_ptr<Tokenizer> load(const std::filesystem::path& folder) {
    auto loaded = Tokenizer::load(folder);
    CHECK(loaded.ok(), "{}", loaded.ok() ? "" : loaded.error().message);
    return std::move(*loaded);
}

std::filesystem::path golden_tokenizer(const char* name) {
    return golden_text() / "tokenizers" / name;
}

// A folder of the running test, emptied.
std::filesystem::path fresh_folder() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    const auto folder = std::filesystem::path(testing::TempDir()) / fmt::format("hone_{}_{}", test->name(), getpid());
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    return folder;
}

void write(const std::filesystem::path& file, std::string_view text) {
    std::ofstream(file, std::ios::binary) << text;
}

TEST(TokenizerUtf8, RepairsMaximalInvalidParts) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"abc", "abc"},
        {"\xC3\xA9", "é"},
        {"\xC3", "\uFFFD"},
        {"\xC3"
         "A",
         "\uFFFDA"},
        {"\xE4\xB8"
         "A",
         "\uFFFDA"},
        {"\xF0\x9F\x98", "\uFFFD"},
        {"\xF0\x80\x80", "\uFFFD\uFFFD\uFFFD"},
        {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},
        {"\xED\xA0", "\uFFFD\uFFFD"},
        {"\xF4\x90", "\uFFFD\uFFFD"},
        {"\xFF\xFE", "\uFFFD\uFFFD"},
        {"\xC0\x80", "\uFFFD\uFFFD"},
        {"12345678\x80"
         "12345678",
         "12345678\uFFFD"
         "12345678"},
    };
    for (const auto& [bytes, text] : cases) {
        EXPECT_EQ(repair_utf8(bytes), text);
        EXPECT_EQ(is_valid_utf8(bytes), bytes == text);
    }
}

TEST(TokenizerUtf8, EveryCharacterSurvives) {
    for (char32_t code = 0; code < 0x110000; code += 7) {
        if (code >= 0xD800 && code < 0xE000) continue;
        std::string bytes;
        append_utf8(bytes, code);
        ASSERT_TRUE(is_valid_utf8(bytes)) << static_cast<uint32_t>(code);
        ASSERT_EQ(character_at(bytes, 0).code, code);
        ASSERT_EQ(character_before(bytes, bytes.size()).length, bytes.size());
    }
}

TEST(TokenizerBase64, DecodesAndRefuses) {
    EXPECT_EQ(decode_base64("SGVsbG8="), "Hello");
    EXPECT_EQ(decode_base64("SGVsbG8"), "Hello");
    EXPECT_EQ(decode_base64(""), "");
    EXPECT_EQ(decode_base64("S"), std::nullopt);
    EXPECT_EQ(decode_base64("SG=sbG8="), std::nullopt);
    EXPECT_EQ(decode_base64("SGV*"), std::nullopt);
}

TEST(TokenizerByteAlphabet, IsInvertible) {
    for (int byte = 0; byte < 256; ++byte) {
        std::string character;
        append_utf8(character, alphabet_character(static_cast<unsigned char>(byte)));
        EXPECT_EQ(bytes_of_alphabet(character), std::string(1, static_cast<char>(byte)));
    }
    EXPECT_EQ(bytes_of_alphabet("Ġa"), " a");
    EXPECT_EQ(bytes_of_alphabet("a b"), std::nullopt);
    EXPECT_EQ(bytes_of_alphabet("\u4E2D"), std::nullopt);
}

// Our forms carry origins, so they are written out; their text is what ICU's own normaliser gives.
TEST(TokenizerNormalization, AgreesWithIcu) {
    std::mt19937 random(7);
    const std::u32string marks =
        U"\u0301\u0323\u0302\u0327\u0345\u05B0\u093C\u3099\u1100\u1161\u11A8\uAC00\uAC01e\u00E9\u1EADA\uFB01\u212B";
    UErrorCode status = U_ZERO_ERROR;
    const std::vector<std::pair<UnicodeForm, const icu::Normalizer2*>> forms = {
        {UnicodeForm::kNfc, icu::Normalizer2::getNFCInstance(status)},
        {UnicodeForm::kNfd, icu::Normalizer2::getNFDInstance(status)},
        {UnicodeForm::kNfkc, icu::Normalizer2::getNFKCInstance(status)},
        {UnicodeForm::kNfkd, icu::Normalizer2::getNFKDInstance(status)},
    };
    for (int i = 0; i < 20000; ++i) {
        std::string text;
        for (size_t k = random() % 12; k > 0; --k) {
            const char32_t code = random() % 4 == 0 ? random() % 0x30000 : marks[random() % marks.size()];
            if (code < 0xD800 || code >= 0xE000) append_utf8(text, code);
        }
        for (const auto& [form, icu_form] : forms) {
            std::string expected, actual;
            icu::StringByteSink<std::string> sink(&expected);
            icu_form->normalizeUTF8(0, text, sink, nullptr, status);
            for (const Change& change : unicode_changes(form, text)) append_utf8(actual, change.code);
            ASSERT_EQ(actual, expected) << "form " << static_cast<int>(form);
        }
    }
}

// Merging as it is defined: again and again the leftmost pair of the lowest rank.
std::vector<TokenId> merge_plainly(std::vector<TokenId> ids, const MergeTable& merges) {
    for (;;) {
        size_t best = ids.size();
        uint32_t lowest = UINT32_MAX;
        for (size_t i = 0; i + 1 < ids.size(); ++i) {
            const uint64_t key = merges.find(ids[i], ids[i + 1]);
            if (key == MergeTable::kNone || MergeTable::rank_of(key) >= lowest) continue;
            lowest = MergeTable::rank_of(key);
            best = i;
        }
        if (best == ids.size()) return ids;
        ids[best] = MergeTable::merged_of(merges.find(ids[best], ids[best + 1]));
        ids.erase(ids.begin() + static_cast<ptrdiff_t>(best) + 1);
    }
}

// Short pieces and long ones take different ways; both give what the definition gives, also where ranks are equal.
TEST(TokenizerBpe, MergesByDefinition) {
    std::mt19937 random(11);
    for (int round = 0; round < 60; ++round) {
        Vocabulary tokens;
        for (const char* letter : {"a", "b", "c"}) ASSERT_TRUE(tokens.add(tokens.size(), letter).ok());
        while (tokens.size() < 40) {
            const auto left = static_cast<TokenId>(random() % static_cast<unsigned>(tokens.size()));
            const auto right = static_cast<TokenId>(random() % static_cast<unsigned>(tokens.size()));
            const std::string joined = std::string(tokens[left]) + std::string(tokens[right]);
            if (!tokens.find(joined)) {
                ASSERT_TRUE(tokens.add(tokens.size(), joined).ok());
            }
        }
        std::vector<uint32_t> rank(40);
        for (uint32_t i = 0; i < 40; ++i) rank[i] = round % 2 == 0 ? i : i / 4;
        BpeParts parts;
        parts.bytes.fill(-1);
        for (TokenId id = 0; id < 3; ++id) parts.bytes[static_cast<unsigned char>(tokens[id][0])] = id;
        parts.merges = merges_by_concatenation(tokens, rank);
        const MergeTable merges = parts.merges;
        parts.tokens = tokens;
        const Bpe bpe(std::move(parts));
        Scratch scratch;
        for (const size_t length : {1, 2, 3, 10, 47, 90, 96, 97, 150, 400}) {
            std::string text;
            std::vector<TokenId> symbols;
            for (size_t i = 0; i < length; ++i) {
                symbols.push_back(static_cast<TokenId>(random() % 3));
                text += tokens[symbols.back()];
            }
            std::vector<Token> out;
            bpe.encode(text, scratch, out);
            std::vector<TokenId> ids;
            size_t covered = 0;
            for (const Token& token : out) {
                ids.push_back(token.id);
                EXPECT_EQ(text.substr(covered, token.length), tokens[token.id]);
                covered += token.length;
            }
            ASSERT_EQ(ids, merge_plainly(symbols, merges)) << text;
        }
    }
}

TEST(TokenizerWordCache, TellsWordsApart) {
    std::mt19937 random(5);
    WordCache cache;
    std::map<std::string, TokenId> known;
    std::set<std::string> words;
    for (int i = 0; i < 20000; ++i) {
        std::string word(1 + random() % WordCache::kLongestWord, 'a');
        for (char& c : word) c = static_cast<char>(random() % 3 == 0 ? 'b' : random() % 9 == 0 ? 0 : 'a');
        const WordCache::Key key(word);
        char buffer[WordCache::kLongestWord];
        ASSERT_EQ(key.word(buffer), word);
        const auto found = cache.find(key);
        if (!found.empty()) {
            ASSERT_EQ(found[0], known.at(word)) << testing::PrintToString(word);
        }
        known.try_emplace(word, static_cast<TokenId>(known.size()));
        cache.put(key, std::vector<Token>{{known[word], 1}});
        ASSERT_EQ(cache.find(key)[0], known[word]);
    }
}

// Long inputs without a place to cut: quadratic time would not end within the test's time limit.
TEST(Tokenizer, LongInputsAreNotQuadratic) {
    for (const char* name : {"gpt2", "llama2", "llama2_sp", "gemma", "unigram", "unigram_sp", "bert", "kimi_k2"}) {
        const auto tokenizer = Tokenizer::load(golden_tokenizer(name));
        ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
        for (const std::string unit : {"a", "ab", " ", "\u0301", "<", "中", "\u2581", "\n"}) {
            std::string text;
            while (text.size() < (1 << 19)) text += unit;
            const auto ids = (*tokenizer)->encode(text);
            EXPECT_LE(ids.size(), text.size() + 2);
        }
    }
}

TEST(Tokenizer, InvalidUtf8IsReplaced) {
    const auto tokenizer = load(golden_tokenizer("qwen3"));
    EXPECT_EQ(tokenizer->encode("a\xE4\xB8"
                                "b\xFF"),
              tokenizer->encode("a\uFFFDb\uFFFD"));
    const auto encoding = tokenizer->encode_with_offsets(
        "\xFF"
        "ab");
    EXPECT_EQ(encoding.ids, tokenizer->encode("\uFFFD"
                                              "ab"));
    EXPECT_EQ(encoding.offsets.back().second, 3u);
}

TEST(Tokenizer, IdsStandForTextWhereThereIsNone) {
    const auto tokenizer = Tokenizer::of_ids(200'000).value();
    EXPECT_FALSE(tokenizer->reads_text());
    EXPECT_EQ(tokenizer->vocabulary_size(), 200'000);
    const std::vector<TokenId> ids{0, 7, 199'999};
    EXPECT_EQ(tokenizer->decode(ids), "⟨0⟩⟨7⟩⟨199999⟩");
    EXPECT_EQ(tokenizer->token_text(7), "⟨7⟩");
    EXPECT_EQ(tokenizer->piece_bytes(7), "⟨7⟩");
    EXPECT_EQ(tokenizer->piece_bytes(200'000), std::nullopt);
    EXPECT_FALSE(tokenizer->is_special(0) || tokenizer->eos() || tokenizer->bos());
    StreamDecoder stream(*tokenizer, true);
    stream.prime(ids);
    EXPECT_EQ(stream.append(12), "⟨12⟩");
    EXPECT_EQ(stream.flush(), "");
    const auto too_large = Tokenizer::of_ids(1 << 23);
    ASSERT_FALSE(too_large.ok());
    EXPECT_NE(too_large.error().message.find("outside"), std::string::npos);
}

TEST(Tokenizer, TheirFilesAreRecognised) {
    EXPECT_TRUE(has_tokenizer(golden_folder() / "models" / "qwen3_moe"));
    EXPECT_FALSE(has_tokenizer(golden_text()));
    EXPECT_FALSE(has_tokenizer({}));
}

TEST(Tokenizer, UnknownIdsDecodeToNothing) {
    for (const auto& name : golden_folders("tokenizers")) {
        if (name == "cl100k") continue;  // its pattern has to be passed in
        const auto tokenizer = load(golden_text() / "tokenizers" / name);
        const std::vector<TokenId> ids = {-1, tokenizer->vocabulary_size(), INT32_MAX, INT32_MIN};
        EXPECT_EQ(tokenizer->decode(ids, false), "");
        for (const TokenId id : ids) {
            EXPECT_EQ(tokenizer->piece_bytes(id), std::nullopt);
            EXPECT_EQ(tokenizer->token_text(id), "");
            EXPECT_FALSE(tokenizer->is_special(id));
        }
        for (TokenId id = 0; id < tokenizer->vocabulary_size(); ++id)
            EXPECT_TRUE(is_valid_utf8(tokenizer->token_text(id)));
    }
}

// What a stream gives out does not depend on whether the ids came one by one, for any ids at all.
TEST(Tokenizer, StreamsDecodeLikeWholeTexts) {
    std::mt19937 random(3);
    for (const auto& name : golden_folders("tokenizers")) {
        if (name == "cl100k") continue;
        const auto tokenizer = load(golden_text() / "tokenizers" / name);
        for (int i = 0; i < 300; ++i) {
            std::vector<TokenId> ids(random() % 12);
            for (TokenId& id : ids)
                id = static_cast<TokenId>(random() % static_cast<unsigned>(tokenizer->vocabulary_size() + 2));
            StreamDecoder stream(*tokenizer, i % 2 == 0);
            std::string text;
            for (const TokenId id : ids) text += stream.append(id);
            text += stream.flush();
            ASSERT_EQ(text, tokenizer->decode(ids, i % 2 == 0)) << name;
            ASSERT_TRUE(is_valid_utf8(text));
        }
    }
}

TEST(Tokenizer, ThreadsShareOneTokenizer) {
    const auto tokenizer = load(golden_tokenizer("llama3"));
    const auto rows = read_json_lines(golden_tokenizer("llama3") / "cases.jsonl");
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (const auto& row : rows) {
                const auto text = boost::json::value_to<std::string>(row.at("text"));
                wrong += tokenizer->encode(text) != boost::json::value_to<std::vector<TokenId>>(row.at("ids"));
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
}

// ------------------------------------------------------------------------------------------------ files with mistakes

constexpr std::string_view kGoodJson = R"({
 "added_tokens": [{"id": 4, "content": "<s>", "special": true}],
 "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]},
 "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\s+"}, "behavior": "Isolated", "invert": false},
 "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
                    "special_tokens": {"<s>": {"id": "<s>", "ids": [4]}}},
 "decoder": {"type": "Fuse"},
 "model": {"type": "BPE", "unk_token": "?", "vocab": {"a": 0, "b": 1, "ab": 2, "?": 3}, "merges": ["a b"]}})";

struct Mistake {
    const char* from;
    const char* to;
    const char* expected;  // part of the message
};

TEST(TokenizerFiles, JsonMistakesAreNamed) {
    const auto folder = fresh_folder();
    write(folder / "tokenizer.json", kGoodJson);
    const auto good = Tokenizer::load(folder);
    ASSERT_TRUE(good.ok()) << good.error().message;
    EXPECT_EQ((*good)->encode("ab ba<s>"), (std::vector<TokenId>{4, 2, 3, 1, 0, 4}));
    EXPECT_EQ((*good)->decode(std::vector<TokenId>{4, 2}, false), "<s>ab");

    const std::vector<Mistake> mistakes = {
        {"{\n", "{{", "not JSON"},
        {R"("model": {)", R"("model_": {)", "model: expected an object, but it is missing"},
        {R"("type": "BPE")", R"("type": "Magic")", "model.type: model \"Magic\" is not supported"},
        {R"("a": 0)", R"("a": "zero")", "model.vocab.a: expected an integer"},
        {R"("a": 0)", R"("a": -1)", "outside [0,"},
        {R"("a": 0)", R"("a": 99999999999)", "outside [0,"},
        {R"("a": 0)", R"("a": 1)", "id 1 is given to"},
        {R"("a b")", R"("a c")", "model.merges[0]: expected two tokens"},
        {R"("a b")", R"(7)", "model.merges[0]: expected two tokens"},
        {R"(["a b"])", R"({})", "model.merges: expected an array"},
        {R"("unk_token": "?")", R"("unk_token": "!")", "model.unk_token: this token is not in the vocabulary"},
        {R"("unk_token": "?")", R"("dropout": 0.1)", "model.dropout"},
        {R"({"type": "NFC"})", R"({"type": "XYZ"})",
         "normalizer.normalizers[0].type: normalizer \"XYZ\" is not supported"},
        {R"({"type": "NFC"})", R"({"type": "Precompiled", "precompiled_charsmap": "AAA"})",
         "precompiled_charsmap: character map"},
        {R"({"type": "NFC"})", R"({"type": "Replace", "pattern": {"String": ""}, "content": ""})",
         "pattern.String: expected"},
        {R"(\\s+)", R"((\\s+)", "pre_tokenizer.pattern.Regex: pattern"},
        {R"("Isolated")", R"("Dropped")", "pre_tokenizer.behavior: expected Removed"},
        {R"("id": "A")", R"("id": "B")", "post_processor.single[1]: expected"},
        {R"("ids": [4])", R"("ids": [400])", "ids[0]: not an id of the vocabulary"},
        {R"("type": "Fuse")", R"("type": "CTC")", "decoder.type: decoder \"CTC\" is not supported"},
        {R"("id": 4)", R"("id": -4)", "added_tokens[0]: id -4 is outside"},
        {R"("special": true)", R"("special": 1)", "added_tokens[0].special: expected true or false"},
        {R"("content": "<s>", )", "", "added_tokens[0].content: expected a string, but it is missing"},
    };
    for (const Mistake& mistake : mistakes) {
        std::string json(kGoodJson);
        const size_t at = json.find(mistake.from);
        ASSERT_NE(at, std::string::npos) << mistake.from;
        json.replace(at, std::string_view(mistake.from).size(), mistake.to);
        write(folder / "tokenizer.json", json);
        const auto loaded = Tokenizer::load(folder);
        ASSERT_FALSE(loaded.ok()) << mistake.to;
        EXPECT_NE(loaded.error().message.find(mistake.expected), std::string::npos) << loaded.error().message;
        EXPECT_NE(loaded.error().message.find("tokenizer.json"), std::string::npos) << loaded.error().message;
    }
}

TEST(TokenizerFiles, InMemoryAreAsGoodAsAFolder) {
    for (const char* name : {"qwen3", "llama2_sp", "kimi_k2"}) {
        const FileSet folder(golden_tokenizer(name));
        std::map<std::string, std::string> owned;
        for (const char* file : {"tokenizer.json", "tokenizer.model", "tiktoken.model", "tokenizer_config.json"})
            if (folder.has(file)) owned.emplace(file, folder.read(file).value());
        const FileSet memory("model.hone", {owned.begin(), owned.end()});
        const auto from_folder = Tokenizer::load(folder), from_memory = Tokenizer::load(memory);
        ASSERT_TRUE(from_memory.ok()) << from_memory.error().message;
        const std::string text = "Hello  wörld 中文\n<s> ﬁx 123";
        EXPECT_EQ((*from_memory)->encode(text), (*from_folder)->encode(text)) << name;
    }
    EXPECT_EQ(Tokenizer::load(FileSet("model.hone", {})).error().message,
              "model.hone: no tokenizer.json, tiktoken.model or tokenizer.model there");
    EXPECT_EQ(Tokenizer::load(FileSet("model.hone", {{"tokenizer.json", "7"}})).error().message,
              "model.hone/tokenizer.json: expected an object");
}

TEST(TokenizerFiles, OtherMistakesAreNamed) {
    const auto folder = fresh_folder();
    const auto message = [&] {
        const auto loaded = Tokenizer::load(folder);
        return loaded.ok() ? std::string("loaded") : loaded.error().message;
    };
    EXPECT_NE(message().find("no tokenizer.json, tiktoken.model or tokenizer.model"), std::string::npos);
    write(folder / "tokenizer.model", "\x0A\xFF\xFF");
    EXPECT_NE(message().find("tokenizer.model: not a SentencePiece model"), std::string::npos) << message();
    write(folder / "tiktoken.model", "YQ== 0\n");
    EXPECT_NE(message().find("does not name its pattern"), std::string::npos) << message();
    write(folder / "tokenizer_config.json", R"({"tokenizer_class": "TikTokenTokenizer"})");
    EXPECT_NE(message().find("tiktoken.model: byte 0 has no rank"), std::string::npos) << message();
    write(folder / "tiktoken.model", "YQ== 0\nYQ= x\n");
    EXPECT_NE(message().find("tiktoken.model: line 2: expected 'BASE64 RANK'"), std::string::npos) << message();
    write(folder / "tiktoken.model", "YQ== 0\n/w== 0\n");
    EXPECT_NE(message().find("line 2: id 0 is given to \"a\" and to \"\uFFFD\""), std::string::npos) << message();
    write(folder / "tokenizer_config.json", R"({"tokenizer_class": 3})");
    EXPECT_NE(message().find("tokenizer_config.json: tokenizer_class: expected a string"), std::string::npos)
        << message();
    write(folder / "tokenizer_config.json", R"({"added_tokens_decoder": {"x": {"content": "a"}}})");
    EXPECT_NE(message().find("added_tokens_decoder.x: the key is not a token id"), std::string::npos) << message();
}

// Damaged files load or fail, they never crash, and what loads can be used.
TEST(TokenizerFiles, DamagedFilesAreSurvived) {
    const auto folder = fresh_folder();
    std::mt19937 random(17);
    const std::vector<std::pair<const char*, const char*>> files = {
        {"unigram", "tokenizer.json"},    {"flags", "tokenizer.json"},       {"bert", "tokenizer.json"},
        {"llama2_sp", "tokenizer.model"}, {"unigram_sp", "tokenizer.model"}, {"kimi_k2", "tiktoken.model"}};
    for (const auto& [name, file] : files) {
        std::filesystem::remove_all(folder);
        std::filesystem::copy(golden_tokenizer(name), folder);
        std::filesystem::permissions(folder / file, std::filesystem::perms::owner_all);
        const std::string whole = *read_text_file(folder / file);
        int loaded_count = 0;
        for (int i = 0; i < 60; ++i) {
            std::string damaged = whole;
            for (size_t k = 1 + random() % 3; k > 0; --k)
                damaged[random() % damaged.size()] = static_cast<char>(random());
            if (i % 10 == 0) damaged.resize(random() % damaged.size());
            write(folder / file, damaged);
            const auto loaded = Tokenizer::load(folder);
            if (!loaded.ok()) continue;
            ++loaded_count;
            const auto encoding = (*loaded)->encode_with_offsets("Hello  wörld 中文\n<s> ﬁx 123");
            (*loaded)->decode(encoding.ids);
            EXPECT_EQ(encoding.ids, (*loaded)->encode("Hello  wörld 中文\n<s> ﬁx 123"));
        }
        EXPECT_GT(loaded_count, 0) << name;
    }
}

}  // namespace
}  // namespace hone::text
