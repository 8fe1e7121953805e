// One case as it is played: the requests that it makes, one after the other, and what becomes of it. The first answer
// ends most cases; where calls are expected their results are fed back, and the model is asked again. One thread; the
// case outlives it.
#pragma once

#include "cli/eval/suite.h"

namespace hone::cli {

// Of all answers, over all cases.
struct Decoding {
    double temperature = 0;
    std::optional<double> top_p;
    uint64_t seed = 0;
    int32_t max_tokens = 512;  // of cases that do not say
};

struct Verdict {
    bool right = false;
    std::string reason;  // why not
};

class Dialogue {
  public:
    Dialogue(const Case& test, const Decoding& decoding);

    // The body of the next request. Its seed depends on --seed, the case's name and the turn alone.
    boost::json::object body() const;
    // Takes the answer to it; true: there is another request to make.
    bool take(Answer answer);

    const Verdict& verdict() const { return verdict_; }  // once take() was false
    const Answer& last_answer() const { return answer_; }
    int64_t tokens() const { return tokens_; }  // of all answers

  private:
    bool end(std::string fault);
    bool feed_back();

    const Case& case_;
    const Decoding decoding_;
    boost::json::object request_;
    Answer answer_;
    size_t turn_ = 0, calls_ = 0;
    int64_t tokens_ = 0;
    Verdict verdict_;
};

}  // namespace hone::cli
