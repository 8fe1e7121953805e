// Rewrites a pattern of Oniguruma or Rust's fancy-regex into the PCRE2 expression that matches the same text: \s
// without U+180E, scripts by Script and not Script_Extensions, character classes with set operations. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "text/tokenizer/pattern.h"

namespace hone::text {

Result<std::string> translate_regex(std::string_view expression, RegexDialect dialect);

}  // namespace hone::text
