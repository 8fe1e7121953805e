// The JSON of answers: completions and chat, whole and in chunks. An AnswerFormat belongs to one request and knows what
// all its objects share; one thread.
#pragma once

#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "serve/openai/choice_text.h"
#include "serve/openai/logprob_json.h"

namespace hone::serve {

enum class Endpoint { completions, chat };

// Tokens in a row that one version of an adapter computed.
struct VersionRun {
    uint64_t version = 0;
    std::string fingerprint;
    int32_t tokens = 0;
};

// What an answer says about its choice beside the new text.
struct ChoiceReport {
    int32_t index = 0;
    const TextDelta* delta = nullptr;  // what to tell: all of a whole answer, the news of a chunk
    const ChoiceText* state = nullptr;
    const PromptTokens* prompt = nullptr;
    std::span<const engine::TokenRecord> prompt_records;
    std::span<const VersionRun> versions;  // of the tokens told, if the request follows its adapter
    bool echo = false;   // the prompt's tokens belong to this report (their text is in the delta already)
    bool first = false;  // of the choice
};

struct UsageCounts {
    int64_t prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0;
};

class AnswerFormat {
  public:
    struct Header {
        Endpoint endpoint = Endpoint::completions;
        std::string id;  // without the prefix
        int64_t created = 0;
        std::string model, fingerprint, numeric_class;  // of the model without an adapter
        int64_t seed = 0;
    };
    // `request` and the tokenizer outlive it; the request's adapter may change meanwhile.
    AnswerFormat(Header header, const GenerationRequest& request, const text::Tokenizer& tokenizer);

    // A choice of a whole answer or of a chunk.
    boost::json::object choice(const ChoiceReport& report) const;
    boost::json::object chunk_choice(const ChoiceReport& report) const;

    // `choices` are the texts of choice(): as text a log-probability takes a tenth of what it takes as a JSON value, so
    // that each choice is written before the next is built.
    std::string whole(const std::vector<std::string>& choices, const UsageCounts& usage,
                      const ChoiceReport& first) const;
    // One event of a stream. `introduce`: the first of the answer, which tells what belongs to the whole of it.
    std::string chunk(boost::json::array choices, const std::optional<UsageCounts>& usage, bool introduce) const;

  private:
    boost::json::object envelope(const char* chat_object) const;
    boost::json::object facts() const;
    void add_logprobs(boost::json::object& choice, const ChoiceReport& report) const;
    void add_own(boost::json::object& choice, const ChoiceReport& report) const;
    void add_details(boost::json::object& choice, const ChoiceReport& report) const;

    const Header header_;
    const GenerationRequest& request_;
    const TokenWriter tokens_;
};

// {"name", "version", "fingerprint"}
boost::json::object adapter_json(const AdapterVersion& adapter);
boost::json::object usage_json(const UsageCounts& usage);

}  // namespace hone::serve
