// What `hone eval` tells: the table, its JSON, single cases, and the file of all of them.
#pragma once

#include <utility>

#include <boost/json/value.hpp>

#include "cli/eval/case_runner.h"
#include "cli/eval/perplexity.h"

namespace hone::cli {

struct SuiteResult {
    std::string name, path;
    std::vector<Outcome> outcomes;         // of a suite of cases
    std::optional<Perplexity> perplexity;  // of a suite of texts

    int64_t right() const;
    int64_t total() const;
    double score() const;  // right / total
    int64_t tokens() const;
    double seconds() const;  // from the first case's start to the last one's end; suites overlap
};

// The interval in which the true share lies with 95 % confidence, of `right` among `total` > 0 (Wilson, "Probable
// inference, the law of succession, and statistical inference", JASA 1927).
std::pair<double, double> wilson_interval(int64_t right, int64_t total);

std::string table_of(std::span<const SuiteResult> results);
// {"suites": [{"name", "right", "total", "score", ...}]}; `right` and `score` of texts are null.
boost::json::object json_of(std::span<const SuiteResult> results);

// A case for a person: what was asked last, what came, what was expected.
std::string case_text(const SuiteResult& suite, const Outcome& outcome, const text::Tokenizer& tokenizer);
// A line of --output for each case.
std::string case_lines(const SuiteResult& suite);

}  // namespace hone::cli
