// Plays the cases of suites through the engine, a bounded number at once, in whatever order they end; what becomes of a
// case depends on nothing but the case. One thread runs it; maker and engine outlive it.
#pragma once

#include <memory>
#include <unordered_map>

#include "base/progress.h"
#include "cli/eval/dialogue.h"
#include "cli/event_queue.h"
#include "cli/request_maker.h"

namespace hone::cli {

// A case that was played.
struct Outcome {
    const Case* test = nullptr;
    Verdict verdict;
    Answer answer;                // the last
    int64_t tokens = 0;           // of all answers
    std::vector<int32_t> prompt;  // of the last answer
    double began = 0, ended = 0;  // monotonic seconds
};

class CaseRunner {
  public:
    CaseRunner(const RequestMaker& maker, engine::Engine& engine, const Decoding& decoding, int32_t streams)
        : maker_(maker), engine_(engine), decoding_(decoding), streams_(static_cast<size_t>(streams)) {}
    ~CaseRunner();

    // Whether the case's first prompt can be made.
    Status check(const Case& test) const;

    // Outcomes in the order of the cases. Errors: the engine failed.
    Result<std::vector<Outcome>> run(std::span<const Case* const> cases, Progress& progress);

  private:
    struct Running {
        size_t index;  // of the case
        Dialogue dialogue;
        double began;
        std::unique_ptr<ReadyRequest> ready = {};
        serve::TextDelta said = {};
    };
    using RunningPtr = std::unique_ptr<Running>;

    // Makes its next request; what leaves the context no room ends it.
    Status ask(RunningPtr running);
    Status start(const Case& test, size_t index);
    Status take(engine::RequestEvent event);
    void end(Running& running, Verdict verdict);

    const RequestMaker& maker_;
    engine::Engine& engine_;
    const Decoding& decoding_;
    const size_t streams_;
    std::unordered_map<engine::RequestId, RunningPtr> running_;
    std::vector<Outcome> outcomes_;
    // The engine's thread may hold it a moment longer than we live.
    const std::shared_ptr<EventQueue<engine::RequestEvent>> events_ =
        std::make_shared<EventQueue<engine::RequestEvent>>();
};

}  // namespace hone::cli
