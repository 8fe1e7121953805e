// The special tokens that deepseek_v3 and deepseek_v31 share.
#pragma once

#include "text/tools/dialect.h"
#include "text/tools/token_calls.h"

namespace hone::text {

inline constexpr std::string_view kDeepSeekMarkers[] = {"<｜tool▁calls▁begin｜>",
                                                        "<｜tool▁calls▁end｜>",
                                                        "<｜tool▁call▁begin｜>",
                                                        "<｜tool▁sep｜>",
                                                        "<｜tool▁call▁end｜>",
                                                        "<think>",
                                                        "</think>"};

inline std::shared_ptr<const TokenMarkers> deepseek_markers(const MarkerSpelling& spelling) {
    return std::make_shared<const TokenMarkers>(TokenMarkers{.section = spelling(kDeepSeekMarkers[0]),
                                                             .section_end = spelling(kDeepSeekMarkers[1]),
                                                             .call = spelling(kDeepSeekMarkers[2]),
                                                             .separator = spelling(kDeepSeekMarkers[3]),
                                                             .call_end = spelling(kDeepSeekMarkers[4])});
}

}  // namespace hone::text
