#include "text/tokenizer/json_writer.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "text/tokenizer/byte_alphabet.h"
#include "text/utf8.h"

namespace hone::text {

namespace json = boost::json;

namespace {

std::string in_alphabet(std::string_view bytes) {
    std::string out;
    for (const char byte : bytes) append_utf8(out, alphabet_character(static_cast<unsigned char>(byte)));
    return out;
}

json::object byte_level() {
    return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", false}};
}

json::array written(std::span<const AddedToken> added) {
    json::array out;
    for (const AddedToken& token : added) {
        out.push_back(json::object{{"id", token.id},
                                   {"content", token.content},
                                   {"single_word", token.single_word},
                                   {"lstrip", token.lstrip},
                                   {"rstrip", token.rstrip},
                                   {"normalized", token.normalized},
                                   {"special", token.special}});
    }
    return out;
}

json::object written(const TrainedBpe& bpe) {
    json::object vocabulary;
    json::array merges;
    std::vector<std::string> texts;
    for (const std::string& token : bpe.tokens) {
        texts.push_back(in_alphabet(token));
        vocabulary[texts.back()] = texts.size() - 1;
    }
    const auto text = [&](TokenId id) -> const std::string& { return texts[static_cast<size_t>(id)]; };
    for (const auto& [left, right] : bpe.merges) merges.emplace_back(text(left) + " " + text(right));
    return {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", false},
            {"vocab", std::move(vocabulary)},
            {"merges", std::move(merges)}};
}

}  // namespace

std::string tokenizer_json(const TrainedBpe& bpe, std::span<const AddedToken> added, std::string_view pattern) {
    const json::object split{
        {"type", "Split"}, {"pattern", json::object{{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
    const json::object root{
        {"version", "1.0"},
        {"truncation", nullptr},
        {"padding", nullptr},
        {"added_tokens", written(added)},
        {"normalizer", nullptr},
        {"pre_tokenizer", json::object{{"type", "Sequence"}, {"pretokenizers", json::array{split, byte_level()}}}},
        {"post_processor", byte_level()},
        {"decoder", byte_level()},
        {"model", written(bpe)}};
    return json::serialize(root) + "\n";
}

}  // namespace hone::text
