// Writes a pack file (pack.h draws it) group by group, wherever the weights come from: converted tensors or random
// ones. The file appears under its name when finish() has succeeded; before that, nothing is left of it. Holds one
// group in memory. One thread, which owns the given pools; the plan outlives the writer.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/function_ref.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "model/checkpoint/pack.h"
#include "model/checkpoint/pack_header.h"
#include "model/checkpoint/small_files.h"
#include "model/checkpoint/weight_plan.h"

namespace hone::model {

class PackWriter {
  public:
    // `files` go behind the weights, config.json among them. Errors name `out`.
    static Result<PackWriter> create(const std::filesystem::path& out, const WeightPlan& plan, WeightChoice weights,
                                     std::vector<SmallFile> files);

    // `fill` writes the packed weights of the group to zeroed memory, that at byte `begin` of the block first. Every
    // group of the plan once, in any order.
    Status write(const WeightGroup& group, FunctionRef<void(std::byte* out)> fill, ThreadPool& pool);
    // After the last group.
    Result<PackSummary> finish();

  private:
    PackWriter(AtomicFile file, const WeightPlan& plan, WeightChoice weights, std::vector<SmallFile> files);
    std::string directory_text() const;
    PackHeader make_header() const;

    AtomicFile file_;
    const WeightPlan* plan_;
    std::string_view weights_;  // the choice's name
    std::vector<SmallFile> files_;
    std::vector<size_t> file_offsets_;  // from the beginning of the data, as all offsets
    std::vector<uint64_t> checksums_;   // of the plan's weights
    size_t data_bytes_;
    PackHeader header_;
};

}  // namespace hone::model
