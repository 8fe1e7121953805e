// A suite of `hone eval`: a JSON Lines file of cases (a prompt and what the answer must be), or of texts to score
// (docs/evaluation.md has the format). Plain data once read; mistakes are errors that name file, line and field, found
// before a model is loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/eval/check.h"

namespace hone::cli {

struct Case {
    std::string id;  // unique in the suite
    size_t line = 0;
    boost::json::object request;  // the fields of a request: messages or prompt, tools, max_tokens, ...
    boost::json::object check_given;
    Check check;
};

struct Suite {
    std::string name;  // the file's, without .jsonl
    std::string path;
    std::vector<Case> cases;
    bool is_of_texts = false;  // for perplexity: read by read_score_input, no cases
};

// Which of a suite's cases run.
struct Selection {
    std::optional<size_t> limit;   // the first ones
    std::optional<size_t> sample;  // drawn by the seed; the same ones whatever other cases there are
    uint64_t seed = 0;
};

// The files behind what the command line names: names of suites of `shipped` (a folder; nothing: there are none), before
// files and folders (each .jsonl in them), which are written with a '/' where they have such a name.
Result<std::vector<std::string>> find_suites(std::span<const std::string> named,
                                             const std::optional<std::string>& shipped);

Result<Suite> read_suite(const std::string& path);

// A number for a draw of a case: of nothing but the seed, the case's name and which draw it is.
uint64_t case_draw(uint64_t seed, std::string_view id, uint32_t draw);

// Which of cases with these ids run, in their order.
std::vector<size_t> select_cases(std::span<const std::string> ids, const Selection& selection);

}  // namespace hone::cli
