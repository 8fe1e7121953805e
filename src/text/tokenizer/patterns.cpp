#include "text/tokenizer/pattern.h"

namespace hone::text::patterns {

const std::string_view kGpt2 = R"~('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)~";
const std::string_view kGpt2Long = R"~('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)~";
const std::string_view kLlama3 = R"~((?i:'s|'t|'re|'ve|'m|'ll|'d))~"
                                 R"~(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)~"
                                 R"~(|\s*[\r\n]+|\s+(?!\S)|\s+)~";
const std::string_view kQwen2 = R"~((?i:'s|'t|'re|'ve|'m|'ll|'d))~"
                                R"~(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)~"
                                R"~(|\s*[\r\n]+|\s+(?!\S)|\s+)~";
const std::string_view kQwen35 = R"~((?i:'s|'t|'re|'ve|'m|'ll|'d))~"
                                 R"~(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)~"
                                 R"~(|\s*[\r\n]+|\s+(?!\S)|\s+)~";
const std::string_view kO200k = R"~([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)~"
                                R"~((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)~"
                                R"~([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)~"
                                R"~((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)~"
                                R"~(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*)~"
                                R"~(|\s*[\r\n]+|\s+(?!\S)|\s+)~";
const std::string_view kKimi =
    R"~([\p{Han}]+|)~"
    R"~([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+)~"
    R"~((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)~"
    R"~([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*)~"
    R"~((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)~"
    R"~(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)~"
    R"~(|\s*[\r\n]+|\s+(?!\S)|\s+)~";
const std::string_view kCl100k =
    R"~('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+)~"
    R"~(|\s++$|\s*[\r\n]|\s+(?!\S)|\s)~";
const std::string_view kDeepSeekDigits = R"~(\p{N}{1,3})~";
const std::string_view kDeepSeekCjk = R"~([一-龥぀-ゟ゠-ヿ]+)~";
const std::string_view kDeepSeekWords = R"~([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)~"
                                        R"~(|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)~"
                                        R"~(|\s*[\r\n]+|\s+(?!\S)|\s+)~";

}  // namespace hone::text::patterns
