// One request for generation on its way through the engine: submits its choices, turns their tokens into the answer,
// whole or streamed, and cancels what is left when the client goes away. Lives as long as the engine or its own jobs
// still knows it; all its work runs in one sequence of jobs, so its state needs no lock. start() may be called from any thread,
// once.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "serve/admission.h"
#include "serve/failure.h"
#include "serve/generator.h"
#include "serve/http/exchange.h"
#include "serve/metrics.h"
#include "serve/openai/answer_format.h"
#include "serve/workers.h"

namespace hone::serve {

// What all requests use.
struct GenerationContext {
    Generator& generator;
    Adapters* adapters;  // null: none
    const text::Tokenizer& tokenizer;
    Metrics& metrics;
    const Failure& failure;
    std::shared_ptr<Admission> admission;
    std::shared_ptr<Workers> workers;  // outlive the server, for events that come late
    std::string model, fingerprint, numeric_class;
    double max_queue_seconds = 0;  // in which a step must begin a sequence; 0: no limit
};

// A request that is ready to run.
struct GenerationJob {
    Endpoint endpoint = Endpoint::completions;
    GenerationRequest request;  // without a seed one is drawn
    std::vector<PromptTokens> prompts;
    std::shared_ptr<const engine::TokenConstraint> constraint = {};  // null: any text
    double arrived = 0;                                              // monotonic seconds
    uint32_t tenant = 0;
    Place place = {};
    std::shared_ptr<RequestRecord> record = {};
};

class Generation : public AdapterFollower, public std::enable_shared_from_this<Generation> {
  public:
    static void start(const GenerationContext& context, GenerationJob job, ExchangePtr exchange);

    Generation(const GenerationContext& context, GenerationJob job, ExchangePtr exchange);
    void published(const AdapterPtr& version) override;

  private:
    struct Choice {
        ChoiceText text;
        const PromptTokens* prompt;
        engine::RequestId id{};
        TextDelta whole;  // of an answer that is not streamed
        std::vector<engine::TokenRecord> prompt_records;
        std::vector<VersionRun> versions;  // of tokens that were not told yet
        int32_t cached_tokens = 0;
        SequenceTimes times = {};
        bool counted = false;  // its outcome
        bool reported = false;
    };

    // Runs a step of the request in its sequence of jobs; one that gets no memory ends the request.
    void post(std::function<void(Generation&)> step);
    void submit_all();
    std::optional<ApiError> submit(size_t index);
    void move_to(const AdapterPtr& version);
    void note_version(Choice& choice, const model::Adapter* weights, int32_t tokens);
    void handle(size_t index, engine::RequestEvent event, double when);
    void record_times(Choice& choice, const engine::RequestEvent& event, double when);
    void count_outcome(Choice& choice, std::string_view reason, double when);
    void note_outcome(const Choice& choice, std::string_view reason);
    ApiError no_room(std::string message, const char* code = "overloaded");
    void report(size_t index, TextDelta delta);
    void finish();
    void fail(const ApiError& error);
    void abandon(Abandoned why);
    void cancel_unfinished();
    void keep_readers_pace();
    ChoiceReport report_of(size_t index, const TextDelta& delta) const;
    UsageCounts usage() const;

    const GenerationContext& context_;
    GenerationJob job_;     // place, record and the request's adapter change, the rest does not
    ExchangePtr exchange_;  // null once nothing more is to be said
    const std::shared_ptr<JobSequence> jobs_;
    const bool tells_tokens_;  // an answer needs the tokens beside their text
    std::unique_ptr<AnswerFormat> format_;
    std::vector<Choice> choices_;
    // Of a request that follows its adapter: versions that the engine may compute with, which holds them, and the newest's
    // number.
    std::vector<std::weak_ptr<const AdapterVersion>> versions_;
    uint64_t newest_ = 0;
    size_t submitted_ = 0, open_ = 0;
    bool introduced_ = false;
    bool paused_ = false;                   // the choices, until the client has read
    std::atomic<bool> lost_event_ = false;  // there was no memory to post it, or the client's leaving
};

}  // namespace hone::serve
