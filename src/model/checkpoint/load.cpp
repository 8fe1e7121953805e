#include "model/checkpoint/load.h"

#include "model/checkpoint/open_checkpoint.h"
#include "model/checkpoint/pack.h"
#include "model/zoo/zoo.h"

namespace hone::model {

namespace fs = std::filesystem;

static Result<LoadedModel> load_folder(const fs::path& path, const LoadOptions& options, ThreadPool& pool) {
    auto checkpoint = open_checkpoint(path, options.weights);
    if (!checkpoint) return checkpoint.error();
    const WeightPlan& plan = checkpoint->plan;
    if (const Status fits = check_memory(plan.bytes, fmt::format("{}: the weights", path.string())); !fits)
        return fits.error();
    auto memory = HugeMemory::allocate(plan.bytes);
    if (!memory) return memory.error().within(path.string());

    const std::string name = folder_name(path);
    const Status filled = for_each_group(*checkpoint, fmt::format("loading {}", name), options.quiet,
                                         [&](const WeightGroup&, std::span<FillJob> jobs) {
                                             for (FillJob& job : jobs) job.out = memory->data() + job.weight->offset;
                                             fill_weights(jobs, pool);
                                             return ok();
                                         });
    if (!filled) return filled.error();
    for (const auto& weight : plan.weights) attach(weight.slot, weight.format, memory->data() + weight.offset);
    return LoadedModel{.model = std::move(checkpoint->model),
                       .weights = WeightStore(std::move(*memory)),
                       .config = checkpoint->folder.config(),
                       .files = FileSet(path),
                       .name = name};
}

static Result<LoadedModel> load_pack(const fs::path& path, const LoadOptions& options, ThreadPool& pool) {
    auto pack = PackFile::open(path);
    if (!pack) return pack.error();
    auto model = make_model(pack->config());
    if (!model) return model.error().within(path.string());
    if (const Status attached = pack->attach_to(**model, options.weights); !attached) return attached.error();
    if (options.verify) {
        if (const Status verified = pack->verify(pool, options.quiet); !verified) return verified.error();
    }
    boost::json::object config = pack->config();
    FileSet files(path, pack->files());
    return LoadedModel{.model = std::move(*model),
                       .weights = pack->weights(),
                       .config = std::move(config),
                       .files = std::move(files),
                       .name = path.stem().string(),
                       .checksums = pack->checksums()};
}

Result<LoadedModel> load_model(const fs::path& path, const LoadOptions& options, ThreadPool& pool) {
    std::error_code failure;
    const auto status = fs::status(path, failure);
    if (!fs::exists(status)) return error("{}: there is no such file or folder", path.string());
    return fs::is_directory(status) ? load_folder(path, options, pool) : load_pack(path, options, pool);
}

}  // namespace hone::model
