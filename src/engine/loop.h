// All engine state and the steps over it: plan, lay out, run layers (sampling as logits come), commit, report. One
// thread makes and uses a Loop; Engine (engine.cpp) gives it one and brings it messages, tests step it themselves.
// Sinks are called from report() only, with no lock held; one that throws loses its request.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "engine/cache/page_pool.h"
#include "engine/cache/prefix_tree.h"
#include "engine/decode/sampler.h"
#include "engine/engine.h"
#include "engine/executor.h"
#include "engine/page_fetcher.h"
#include "engine/schedule/cost_model.h"
#include "engine/schedule/policy.h"
#include "engine/schedule/time_budget.h"

namespace hone::engine {

struct LoopOptions {
    ScheduleLimits limits;  // .layers is set from the model
    Policy policy = plan_auto;
    // Asked between layers of prompts that run without a time budget: whether something more urgent may have come. May
    // be empty.
    std::function<bool()> interrupted;
    int threads = 1;
    math::NumericClass int4_class = math::NumericClass::i8g32;
    RowBlocks blocks;
    Turns* turns = nullptr;  // of a guest on the loop's threads; outlives the loop
    StepTap* tap = nullptr;  // of whoever looks on; outlives the loop
    // Called on the guest's thread when it begins to wait for a turn, so that whoever sleeps calls give_turn().
    std::function<void()> wake = [] {};
};

class Loop {
  public:
    // `model` and `kernels` outlive the loop.
    // `spill`: where evicted pages go, if anywhere.
    Loop(const model::Model& model, const math::KernelTable& kernels, PagePool pages, LoopOptions options,
         std::unique_ptr<SpillStore> spill = nullptr);
    ~Loop();  // the guest has left

    // The request was checked (check_request) and has its seed; ids ascend.
    void add(RequestId id, Request request, EventSink sink);
    // Frees what the request holds; its last event goes out with the next report. Unknown ids are ignored.
    void cancel(RequestId id);
    void cancel_all();
    // As Engine::set_paused says.
    void set_paused(RequestId id, bool paused);
    // As Engine::set_adapter says; between two steps.
    void set_adapter(RequestId id, std::shared_ptr<const model::Adapter> adapter);
    // Ends the requests that waited for a step longer than they may; before each step. `now` is monotonic seconds.
    void expire(double now);
    // One step, up to the commit; needs !idle().
    void step();
    // Tells the events since the last report to their sinks and forgets the requests that have ended.
    void report();
    bool guest_waits() const { return options_.turns && options_.turns->wanted(); }
    // Gives a guest that waits what the last step leaves until the next one has to begin; a few milliseconds if idle.
    void give_turn();
    // Records what the last step and turn did, if somebody looks on.
    void show_step();

    // Nobody has anything to compute: no requests, or paused ones only.
    bool idle() const;
    int64_t held_tokens() const { return held_tokens_; }  // prompt tokens of the requests that have not ended
    const EngineMetrics& metrics() const { return metrics_; }
    const ScheduleState& schedule() const { return schedule_; }

  private:
    struct LiveRequest {
        SamplingParams sampling;
        EventSink sink;
        std::unique_ptr<ConstrainedText> constraint;  // null: any text
        std::deque<int32_t> forced;                   // what has to come next, in this order
        std::string cache_salt;
        std::shared_ptr<const model::Adapter> adapter;
        std::optional<std::shared_ptr<const model::Adapter>> next_adapter;  // behind the next token
        bool starts_over = false;  // for its adapter, which has not computed a token yet
        int32_t prompt_tokens = 0;
        std::vector<TokenRecord> prompt_logprobs;  // of prompt[i + 1]
        double scheduled_at = 0;                   // when a step first had rows of it; 0: none had
        double max_wait = 0, deadline = 0;         // 0: it may wait for ever
        bool reported = false;                     // the first event was made
        bool ended = false;                        // the last event was made
        RestingRows resting;
    };
    // A segment of the plan with what it needs and brings.
    struct BatchSegment {
        Segment segment;
        LiveRequest* live;
        const SequenceState* sequence;
        bool prompt = false;                                      // not the rows of a decoding sequence
        int32_t logits_begin = 0, logits_end = 0;                 // rows
        std::vector<std::optional<Result<TokenRecord>>> records;  // of those rows
    };

    static SequenceId sequence_of(RequestId id) { return {id.value}; }
    // The root of a version's pages under a salt.
    PrefixTree::Node hold_root(const std::string& salt, const model::Adapter* adapter);
    Plan make_plan();
    std::vector<BatchSegment> lay_out(const Plan& plan);
    ExecutorReport run_layers(std::vector<BatchSegment>& batch, const LayerGate& gate);
    void stop_where_reached(Plan& plan, std::vector<BatchSegment>& batch, const ExecutorReport& report);
    void sample(std::vector<BatchSegment>& batch, std::span<const LogitsRow> rows,
                math::MatrixView<const float> logits);
    void commit_step(const Plan& plan, std::vector<BatchSegment>& batch);

    Result<TokenRecord> sample_row(Sampler& sampler, const BatchSegment& segment, int32_t row,
                                   std::span<const float> logits);
    void settle(BatchSegment& segment);
    void accept(BatchSegment& segment, TokenRecord record);
    Status follow(LiveRequest& live, int32_t token);
    std::optional<FinishReason> append(LiveRequest& live, SequenceId id, TokenRecord record, RequestEvent& event);
    void drop(const Plan& plan);
    void count_step(const Plan& plan);
    const SequenceState& known_sequence(RequestId id) const;
    RequestEvent new_event(RequestId id, LiveRequest& live, const SequenceState& sequence);
    void finish(LiveRequest& live, RequestEvent event, FinishReason reason);
    void deliver(RequestEvent event);
    void forget(RequestId id);
    void count_sequences_and_pages();
    void count_prompts(const Plan& plan, const std::vector<BatchSegment>& batch);
    void note_parts(const std::vector<BatchSegment>& batch);
    void note_part(const BatchSegment& laid);

    const model::Model& model_;
    LoopOptions options_;
    ThreadPool threads_;
    math::Workspace workspace_;
    math::OpContext ops_;
    PagePool pages_;
    PrefixTree tree_;
    ScheduleState schedule_;
    std::unique_ptr<SpillStore> spill_;
    std::optional<PageFetcher> fetcher_;  // with spill_
    Executor executor_;
    CostModel cost_model_;
    std::vector<Sampler> samplers_;  // one per thread
    std::map<RequestId, LiveRequest> live_;
    std::vector<RequestEvent> events_;  // since the last report
    // When requests that may not wait for ever expire; those that were begun meanwhile are ignored.
    std::set<std::pair<double, RequestId>> deadlines_;
    bool prompts_stood_ = false;  // in the last step
    double turn_end_ = 0;         // monotonic seconds: when the guest's turn behind the last step ends
    int64_t held_tokens_ = 0;
    EngineMetrics metrics_;
    StepFacts shown_;  // of the last step, until it is recorded; and what passed layers in it, while somebody looks on
    std::vector<StepPart> shown_parts_;
};

}  // namespace hone::engine
