// Grammars written in EBNF, the dialect of llama.cpp's GBNF and vLLM's guided_grammar:
//
//   root ::= "answer: " (word | number)+ [.!]?    # a comment
//   word ::= [a-z]{1,8}
//
// `name ::= alternatives` with names of letters, digits, - and _ (and . inside); "literals" and 'literals', classes [a-z]
// and [^"\n], `.` (any character), groups, | * + ? {m} {m,} {m,n}; escapes \n \r \t \\ \" \' \[ \] \- \^ \xHH \uHHHH
// \UHHHHHHHH; <[123]> is the token with that id. The text starts with rule `root`. A rule goes on until the next `name
// ::=`. Rules may begin with themselves directly (a ::= a "x" | "y"), not by way of others. Pure, any thread.
#pragma once

#include <string_view>

#include "base/result.h"
#include "text/grammar/grammar_builder.h"

namespace hone::text {

// Errors name the line and column.
Result<Expression> add_ebnf(GrammarBuilder& builder, std::string_view text);

Result<Grammar> grammar_of_ebnf(std::string_view text, const GrammarLimits& limits = {});

}  // namespace hone::text
