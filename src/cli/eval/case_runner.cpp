#include "cli/eval/case_runner.h"

#include "base/clock.h"

namespace hone::cli {

namespace {

Answer answer_of(serve::TextDelta said, const serve::ChoiceText& text) {
    Answer answer{.content = std::move(said.text),
                  .reasoning = std::move(said.reasoning),
                  .was_cut = text.finish() == engine::FinishReason::length,
                  .tokens = text.token_count()};
    for (text::CallPiece& call : said.calls) answer.calls.push_back({std::move(call.name), std::move(call.arguments)});
    return answer;
}

}  // namespace

CaseRunner::~CaseRunner() {
    for (const auto& [id, running] : running_) engine_.cancel(id);
}

Status CaseRunner::check(const Case& test) const {
    const auto made = maker_.make(Dialogue(test, decoding_).body());
    return made ? ok() : Status(made.error());
}

Status CaseRunner::ask(RunningPtr running) {
    auto ready = maker_.make(running->dialogue.body());
    if (!ready) {
        end(*running, {.reason = ready.error().message});
        return ok();
    }
    running->ready = std::move(*ready);
    running->said = {};
    const auto id = engine_.submit(maker_.engine_request(*running->ready),
                                   [events = events_](engine::RequestEvent event) { events->push(std::move(event)); });
    if (!id) return id.error();
    running_.emplace(*id, std::move(running));
    return ok();
}

Status CaseRunner::start(const Case& test, size_t index) {
    outcomes_[index].test = &test;
    return ask(std::make_unique<Running>(index, Dialogue(test, decoding_), monotonic_seconds()));
}

Status CaseRunner::take(engine::RequestEvent event) {
    const auto found = running_.find(event.request);
    if (found == running_.end()) return ok();  // a stop string has ended it before
    if (event.finish == engine::FinishReason::error) return error("{}", event.message);
    Running& running = *found->second;
    const engine::RequestId id = event.request;
    const bool has_ended = event.finish.has_value();
    serve::ChoiceText& text = *running.ready->answer;
    running.said.append(text.take(std::move(event)));
    if (!text.finished()) return ok();
    if (!has_ended) engine_.cancel(id);
    RunningPtr kept = std::move(found->second);
    running_.erase(found);
    if (kept->dialogue.take(answer_of(std::move(kept->said), text))) return ask(std::move(kept));
    end(*kept, kept->dialogue.verdict());
    return ok();
}

void CaseRunner::end(Running& running, Verdict verdict) {
    Outcome& outcome = outcomes_[running.index];
    outcome.verdict = std::move(verdict);
    outcome.answer = running.dialogue.last_answer();
    outcome.tokens = running.dialogue.tokens();
    if (running.ready) outcome.prompt = std::move(running.ready->prompt);
    outcome.began = running.began;
    outcome.ended = monotonic_seconds();
}

Result<std::vector<Outcome>> CaseRunner::run(std::span<const Case* const> cases, Progress& progress) {
    outcomes_.assign(cases.size(), {});
    size_t next = 0, told = 0;
    while (next < cases.size() || !running_.empty()) {
        for (; next < cases.size() && running_.size() < streams_; next++) {
            if (const Status started = start(*cases[next], next); !started) return started.error();
        }
        if (auto event = events_->pop()) {
            if (const Status taken = take(std::move(*event)); !taken) return taken.error();
        }
        const size_t done = next - running_.size();
        progress.advance(done - std::exchange(told, done));
    }
    return std::exchange(outcomes_, {});
}

}  // namespace hone::cli
