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

// The weights with bytes of their own, in groups whose stored bytes reach the limit.
static std::vector<std::vector<FillJob>> cut_into_groups(const OpenCheckpoint& checkpoint, size_t limit) {
    std::vector<std::vector<FillJob>> groups(1);
    size_t group_bytes = 0;
    for (size_t i = 0; i < checkpoint.plan.weights.size(); i++) {
        const PlannedWeight& weight = checkpoint.plan.weights[i];
        if (weight.twin) continue;
        if (group_bytes >= limit) {
            groups.emplace_back();
            group_bytes = 0;
        }
        groups.back().push_back({&weight, checkpoint.tensors[i], nullptr});
        group_bytes += checkpoint.tensors[i]->bytes.size();
    }
    return groups;
}

static size_t stored_bytes(std::span<const FillJob> group) {
    size_t bytes = 0;
    for (const FillJob& job : group) bytes += job.source->bytes.size();
    return bytes;
}

Status for_each_group(const OpenCheckpoint& checkpoint, const std::string& what, bool quiet,
                      FunctionRef<Status(std::span<FillJob> group)> body, size_t group_bytes) {
    std::vector<std::vector<FillJob>> groups = cut_into_groups(checkpoint, group_bytes);
    size_t total = 0;
    for (const auto& group : groups) total += stored_bytes(group);
    Progress progress(what, total, Progress::Unit::bytes, quiet);
    for (size_t i = 0; i < groups.size(); i++) {
        // The disk fetches a group while the one before it is converted.
        for (size_t ahead = i == 0 ? 0 : i + 1; ahead < std::min(i + 2, groups.size()); ahead++) {
            for (const FillJob& job : groups[ahead]) expect_reads(job.source->bytes);
        }
        if (const Status done = body(groups[i]); !done) return done;
        progress.advance(stored_bytes(groups[i]));
    }
    progress.finish();
    return ok();
}

}  // namespace hone::model
