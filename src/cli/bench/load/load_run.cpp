#include "cli/bench/load/load_run.h"

#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/clock.h"

namespace hone::cli {
namespace {

namespace json = boost::json;

json::object fields_of(const RequestFormat& format, int64_t output_tokens) {
    return {{"model", format.model},
            {"max_tokens", output_tokens},
            {"temperature", format.temperature},
            {"ignore_eos", true},
            {"return_token_ids", true},
            {"stream", true},
            {"stream_options", json::object{{"include_usage", true}}}};
}

std::string serialised(json::object body, const json::object& extra) {
    for (const auto& [name, value] : extra) {
        if (value.is_null()) {
            body.erase(name);
        } else {
            body[name] = value;
        }
    }
    return json::serialize(body);
}

}  // namespace

std::string RequestFormat::body(const std::vector<int32_t>& prompt, int64_t output_tokens) const {
    json::object body = fields_of(*this, output_tokens);
    body["prompt"] = json::array(prompt.begin(), prompt.end());
    return serialised(std::move(body), extra);
}

std::string RequestFormat::body(const LoadPlan& plan, const PlannedRequest& request) const {
    if (!chat) return body(plan.tokens(request), request.output_tokens);
    json::object body = fields_of(*this, request.output_tokens);
    body["messages"] = json::array{json::object{{"role", "user"}, {"content", plan.text(request)}}};
    return serialised(std::move(body), extra);
}

LoadRun run_load(LoadClient& client, LoadPlan& plan, const RequestFormat& format, const LoadLimits& limits,
                 FunctionRef<void(int64_t sent)> on_progress, double progress_seconds) {
    struct Running {
        PlannedRequest planned;
        std::shared_ptr<Exchange> exchange;
    };
    LoadRun run{.started = monotonic_seconds()};
    std::vector<Running> running;
    const auto collect = [&] {
        std::erase_if(running, [&](Running& one) {
            const StreamRecord& record = one.exchange->record();
            if (!record.is_done) return false;
            run.ended = std::max(run.ended, record.ended);
            run.requests.push_back({one.planned, record});
            return true;
        });
    };
    int64_t sent = 0;
    double told = run.started;
    const auto tell = [&] {
        on_progress(sent);
        told = monotonic_seconds();
    };
    const auto wait_until = [&](FunctionRef<bool()> is_done, double deadline) {
        while (!client.run_until(is_done, std::min(deadline, told + progress_seconds))) {
            if (monotonic_seconds() >= deadline) return false;
            tell();
        }
        return true;
    };
    const double last = limits.seconds > 0 ? run.started + limits.seconds : kForever;
    while (limits.requests == 0 || sent < limits.requests) {
        const PlannedRequest planned = plan.next();
        const double due = run.started + planned.arrival;
        if (due >= last) break;
        const std::string body = format.body(plan, planned);  // before it is due, so that it is not late
        wait_until([] { return false; }, due);
        collect();
        const auto has_room = [&] {
            collect();
            return limits.max_concurrency == 0 || std::ssize(running) < limits.max_concurrency;
        };
        if (!wait_until(has_room, last)) break;
        running.push_back({planned, client.post(format.path(), body)});
        sent++;
        tell();
    }
    const auto have_ended = [&] {
        collect();
        return running.empty();
    };
    wait_until(have_ended, kForever);
    std::ranges::sort(run.requests, {}, [](const LoadedRequest& request) { return request.planned.index; });
    return run;
}

}  // namespace hone::cli
