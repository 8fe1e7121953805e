#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/atomic_file.h"
#include "base/huge_pages.h"
#include "math/quant/packed_layout.h"
#include "model/checkpoint/open_checkpoint.h"
#include "model/checkpoint/pack.h"
#include "model/checkpoint/pack_header.h"

namespace hone::model {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

// What a pack takes of a checkpoint's small files, and the chat templates of kTemplateFolder.
constexpr const char* kSmallFiles[] = {"config.json",
                                       "tokenizer.json",
                                       "tokenizer_config.json",
                                       "special_tokens_map.json",
                                       "chat_template.jinja",
                                       "generation_config.json",
                                       "tokenizer.model",
                                       "tiktoken.model",
                                       "merges.txt",
                                       "vocab.json",
                                       "added_tokens.json"};
constexpr const char* kTemplateFolder = "additional_chat_templates";

struct SmallFile {
    std::string name, content;
    size_t offset;  // from the beginning of the data
};

// What goes into the file; offsets count from the beginning of the data.
struct PackContents {
    std::string_view weights;
    const WeightPlan& plan;
    std::vector<uint64_t> checksums;  // of the plan's weights
    std::vector<SmallFile> files;
    size_t data_bytes;
};

std::string hex64(uint64_t value) {
    return fmt::format("{:016x}", value);
}

// Checksums have a fixed width, so the text's length is final before they are known.
std::string directory_text(const PackContents& contents) {
    json::array tensors, files;
    for (size_t i = 0; i < contents.plan.weights.size(); i++) {
        const PlannedWeight& weight = contents.plan.weights[i];
        tensors.push_back(json::object{{"name", weight.slot.name},
                                       {"role", name_of(weight.slot.role)},
                                       {"format", name_of(weight.format)},
                                       {"n", weight.slot.n},
                                       {"k", weight.slot.k},
                                       {"offset", weight.offset},
                                       {"bytes", weight.bytes},
                                       {"xxh3", hex64(contents.checksums[weight.twin.value_or(i)])}});
    }
    for (const auto& file : contents.files) {
        files.push_back(json::object{{"name", file.name},
                                     {"offset", file.offset},
                                     {"bytes", file.content.size()},
                                     {"xxh3", hex64(XXH3_64bits(file.content.data(), file.content.size()))}});
    }
    return json::serialize(json::object{{"layout", packed_layout_fingerprint()},
                                        {"weights", contents.weights},
                                        {"tensors", std::move(tensors)},
                                        {"files", std::move(files)}});
}

// Packs, hashes and writes one group of weights, which lie side by side.
Status write_group(std::span<FillJob> group, const WeightPlan& plan, std::vector<uint64_t>& checksums, AtomicFile& file,
                   size_t data_begin, ThreadPool& pool) {
    const size_t begin = group.front().weight->offset, end = group.back().weight->offset + group.back().weight->bytes;
    auto memory = HugeMemory::allocate(end - begin);
    if (!memory) return memory.error();
    for (FillJob& job : group) job.out = memory->data() + (job.weight->offset - begin);
    fill_weights(group, pool);
    pool.parallel_for(static_cast<int64_t>(group.size()), [&](int64_t i, int) {
        const FillJob& job = group[static_cast<size_t>(i)];
        checksums[static_cast<size_t>(job.weight - plan.weights.data())] = XXH3_64bits(job.out, job.weight->bytes);
    });
    return file.write_at(data_begin + begin, memory->bytes());
}

// Reads the small files that there are, and places them behind the weights.
Status place_files(const FileSet& files, PackContents& contents) {
    std::vector<std::string> names = files.names_in(kTemplateFolder, ".jinja");
    for (const char* name : kSmallFiles)
        if (files.has(name)) names.emplace_back(name);
    for (std::string& name : names) {
        auto content = files.read(name);
        if (!content) return content.error();
        const size_t offset = (contents.data_bytes + 63) / 64 * 64;
        contents.data_bytes = offset + content->size();
        contents.files.push_back({std::move(name), std::move(*content), offset});
    }
    return ok();
}

// Everything but the weights: files, directory and header, whose checksums are known by now.
Status write_rest(const PackContents& contents, PackHeader header, AtomicFile& file) {
    for (const auto& small : contents.files) {
        const auto bytes = std::as_bytes(std::span(small.content));
        if (const Status written = file.write_at(header.data_begin + small.offset, bytes); !written) return written;
    }
    const std::string directory = directory_text(contents);
    CHECK_EQ(directory.size(), header.directory_bytes);
    header.checksum = header_checksum(header, directory);
    if (const Status written = file.write_at(sizeof header, std::as_bytes(std::span(directory))); !written)
        return written;
    return file.write_at(0, std::as_bytes(std::span(&header, 1)));
}

PackHeader make_header(const PackContents& contents) {
    PackHeader header{};
    std::memcpy(header.magic, kPackMagic.data(), sizeof header.magic);
    header.version = kPackVersion;
    header.directory_bytes = directory_text(contents).size();
    const size_t alignment = std::max<size_t>(4096, alignment_of(contents.data_bytes));
    header.data_begin = (sizeof header + header.directory_bytes + alignment - 1) / alignment * alignment;
    header.file_bytes = header.data_begin + contents.data_bytes;
    return header;
}

}  // namespace

std::string packed_layout_fingerprint() {
    constexpr int64_t kN = 97, kK = 105;  // the last panel, step and group of every format is part padding
    static_assert(kN % math::kF32Panel.columns && kN % math::kBf16Panel.columns && kN % math::kInt4Panel.columns);
    static_assert(kK % 2 && kK % math::kGroup && kK % (2 * math::kGroup) && kN * kK % 32);
    std::vector<float> values(kN * kK);
    for (size_t i = 0; i < values.size(); i++)
        values[i] = static_cast<float>(static_cast<int>(i * 2654435761u % 2001) - 1000) * 0x1p-10f;
    uint64_t hash = 0;
    for (const auto format : {math::WeightFormat::f32, math::WeightFormat::bf16, math::WeightFormat::int4_g32,
                              math::WeightFormat::bf16_rows}) {
        std::vector<std::byte> packed(math::packed_bytes(format, kN, kK));
        math::pack_weight(format, kN, kK, 0, kN, values.data(), packed.data());
        hash = XXH3_64bits_withSeed(packed.data(), packed.size(), hash);
    }
    return hex64(hash);
}

Result<PackSummary> pack_model(const fs::path& path, const fs::path& out, const LoadOptions& options,
                               ThreadPool& pool) {
    const auto checkpoint = open_checkpoint(path, options.weights);
    if (!checkpoint) return checkpoint.error();
    const WeightPlan& plan = checkpoint->plan;
    PackContents contents{.weights = name_of(options.weights),
                          .plan = plan,
                          .checksums = std::vector<uint64_t>(plan.weights.size()),
                          .files = {},
                          .data_bytes = plan.bytes};
    if (const Status placed = place_files(path, contents); !placed) return placed.error();
    const PackHeader header = make_header(contents);

    auto file = AtomicFile::create(out);
    if (!file) return file.error();
    const Status written = for_each_group(
        *checkpoint, fmt::format("packing {}", folder_name(path)), options.quiet, [&](std::span<FillJob> group) {
            return write_group(group, plan, contents.checksums, *file, header.data_begin, pool);
        });
    if (!written) return written.error();
    if (const Status rest = write_rest(contents, header, *file); !rest) return rest.error();
    if (const Status committed = file->commit(); !committed) return committed.error();
    return PackSummary{plan.weights.size(), header.file_bytes};
}

}  // namespace hone::model
