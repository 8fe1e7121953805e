// What goes into a pack: a checkpoint folder, converted, or random weights of a known shape.
#include <boost/json/serialize.hpp>

#include "base/progress.h"
#include "model/checkpoint/open_checkpoint.h"
#include "model/checkpoint/pack_writer.h"
#include "model/checkpoint/random_weights.h"
#include "model/zoo/zoo.h"

namespace hone::model {

namespace fs = std::filesystem;

Result<PackSummary> pack_model(const fs::path& path, const fs::path& out, const LoadOptions& options,
                               ThreadPool& pool) {
    const auto checkpoint = open_checkpoint(path, options.weights);
    if (!checkpoint) return checkpoint.error();
    auto files = read_small_files(path);
    if (!files) return files.error();
    auto writer = PackWriter::create(out, checkpoint->plan, options.weights, std::move(*files));
    if (!writer) return writer.error();
    const auto write_group = [&](const WeightGroup& group, std::span<FillJob> jobs) {
        const auto fill = [&](std::byte* bytes) {
            for (FillJob& job : jobs) job.out = bytes + (job.weight->offset - group.begin);
            fill_weights(jobs, pool);
        };
        return writer->write(group, fill, pool);
    };
    const std::string what = fmt::format("packing {}", folder_name(path));
    if (const Status written = for_each_group(*checkpoint, what, options.quiet, write_group); !written)
        return written.error();
    return writer->finish();
}

Result<PackSummary> pack_random_model(const boost::json::object& config, const std::string& name, const fs::path& out,
                                      const RandomOptions& options, ThreadPool& pool) {
    auto model = make_model(config);
    if (!model) return model.error().within(name);
    const auto plan = plan_weights(**model, options.weights);
    if (!plan) return plan.error().within(name);
    auto writer = PackWriter::create(out, *plan, options.weights, {{"config.json", boost::json::serialize(config)}});
    if (!writer) return writer.error();
    Progress progress(fmt::format("packing random {}", name), plan->bytes, Progress::Unit::bytes, options.quiet);
    for (const WeightGroup& group : cut_into_groups(*plan)) {
        const auto fill = [&](std::byte* bytes) { fill_random(*plan, group, options.seed, bytes, pool); };
        if (const Status written = writer->write(group, fill, pool); !written) return written.error();
        progress.advance(group.end - group.begin);
    }
    auto summary = writer->finish();
    if (summary) progress.finish();
    return summary;
}

}  // namespace hone::model
