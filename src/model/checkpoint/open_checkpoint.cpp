#include "model/checkpoint/open_checkpoint.h"

#include <algorithm>

#include "base/log.h"
#include "base/mapped_file.h"
#include "base/progress.h"
#include "model/checkpoint/name_map.h"
#include "model/printable.h"
#include "model/zoo/zoo.h"

namespace hone::model {

Result<OpenCheckpoint> open_checkpoint(const std::filesystem::path& path, WeightChoice choice) {
    auto folder = CheckpointFolder::open(path);
    if (!folder) return folder.error();
    auto model = make_model(folder->config());
    if (!model) return model.error().within(path.string());
    if (const Status enough = check_stored_count((*model)->spec(), folder->tensors().size()); !enough)
        return enough.error().within(path.string());
    auto plan = plan_weights(**model, choice);
    if (!plan) return plan.error().within(path.string());
    std::vector<WeightSlot> slots;
    for (const auto& weight : plan->weights) slots.push_back(weight.slot);
    auto matched = match_tensors(*folder, slots);
    if (!matched) return matched.error();
    if (const auto& unused = matched->unused; !unused.empty()) {
        LOG_WARN("{}: {} tensor(s) outside of the model are not used, the first is {}", path.string(), unused.size(),
                 in_quotes(unused[0]));
    }
    return OpenCheckpoint{std::move(*folder), std::move(*model), std::move(*plan), std::move(matched->tensors),
                          std::move(matched->unused)};
}

// The weights of the group that have bytes of their own.
static std::vector<FillJob> jobs_of(const OpenCheckpoint& checkpoint, const WeightGroup& group) {
    std::vector<FillJob> jobs;
    for (size_t i = group.first; i < group.last; i++) {
        const PlannedWeight& weight = checkpoint.plan.weights[i];
        if (!weight.twin) jobs.push_back({&weight, checkpoint.tensors[i], nullptr});
    }
    return jobs;
}

Status for_each_group(const OpenCheckpoint& checkpoint, const std::string& what, bool quiet,
                      FunctionRef<Status(const WeightGroup& group, std::span<FillJob> jobs)> body, size_t group_bytes) {
    const auto stored_bytes = [&](size_t weight) { return checkpoint.tensors[weight]->bytes.size(); };
    const std::vector<WeightGroup> groups = cut_into_groups(checkpoint.plan, stored_bytes, group_bytes);
    std::vector<std::vector<FillJob>> jobs;
    size_t total = 0;
    for (const WeightGroup& group : groups) {
        jobs.push_back(jobs_of(checkpoint, group));
        for (const FillJob& job : jobs.back()) total += job.source->bytes.size();
    }
    Progress progress(what, total, Progress::Unit::bytes, quiet);
    for (size_t i = 0; i < groups.size(); i++) {
        // The disk fetches a group while the one before it is converted.
        for (size_t ahead = i == 0 ? 0 : i + 1; ahead < std::min(i + 2, groups.size()); ahead++) {
            for (const FillJob& job : jobs[ahead]) expect_reads(job.source->bytes);
        }
        if (const Status done = body(groups[i], jobs[i]); !done) return done;
        for (const FillJob& job : jobs[i]) {
            done_reading(job.source->bytes);
            progress.advance(job.source->bytes.size());
        }
    }
    progress.finish();
    return ok();
}

}  // namespace hone::model
