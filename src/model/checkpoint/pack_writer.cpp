#include "model/checkpoint/pack_writer.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/huge_pages.h"
#include "math/quant/packed_layout.h"

namespace hone::model {

namespace json = boost::json;

static std::string hex64(uint64_t value) {
    return fmt::format("{:016x}", value);
}

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

PackWriter::PackWriter(AtomicFile file, const WeightPlan& plan, WeightChoice weights, std::vector<SmallFile> files)
    : file_(std::move(file)),
      plan_(&plan),
      weights_(name_of(weights)),
      files_(std::move(files)),
      checksums_(plan.weights.size()),
      data_bytes_(plan.bytes) {
    for (const SmallFile& small : files_) {
        file_offsets_.push_back((data_bytes_ + 63) / 64 * 64);
        data_bytes_ = file_offsets_.back() + small.content.size();
    }
    header_ = make_header();
}

Result<PackWriter> PackWriter::create(const std::filesystem::path& out, const WeightPlan& plan, WeightChoice weights,
                                      std::vector<SmallFile> files) {
    auto file = AtomicFile::create(out);
    if (!file) return file.error();
    return PackWriter(std::move(*file), plan, weights, std::move(files));
}

// Checksums have a fixed width, so the text's length is final before they are known.
std::string PackWriter::directory_text() const {
    json::array tensors, files;
    for (size_t i = 0; i < plan_->weights.size(); i++) {
        const PlannedWeight& weight = plan_->weights[i];
        tensors.push_back(json::object{{"name", weight.slot.name},
                                       {"role", name_of(weight.slot.role)},
                                       {"format", name_of(weight.format)},
                                       {"n", weight.slot.n},
                                       {"k", weight.slot.k},
                                       {"offset", weight.offset},
                                       {"bytes", weight.bytes},
                                       {"xxh3", hex64(checksums_[weight.twin.value_or(i)])}});
    }
    for (size_t i = 0; i < files_.size(); i++) {
        const SmallFile& file = files_[i];
        files.push_back(json::object{{"name", file.name},
                                     {"offset", file_offsets_[i]},
                                     {"bytes", file.content.size()},
                                     {"xxh3", hex64(XXH3_64bits(file.content.data(), file.content.size()))}});
    }
    return json::serialize(json::object{{"layout", packed_layout_fingerprint()},
                                        {"weights", weights_},
                                        {"tensors", std::move(tensors)},
                                        {"files", std::move(files)}});
}

PackHeader PackWriter::make_header() const {
    PackHeader header{};
    std::memcpy(header.magic, kPackMagic.data(), sizeof header.magic);
    header.version = kPackVersion;
    header.directory_bytes = directory_text().size();
    const size_t alignment = std::max<size_t>(4096, alignment_of(data_bytes_));
    header.data_begin = (sizeof header + header.directory_bytes + alignment - 1) / alignment * alignment;
    header.file_bytes = header.data_begin + data_bytes_;
    return header;
}

Status PackWriter::write(const WeightGroup& group, FunctionRef<void(std::byte* out)> fill, ThreadPool& pool) {
    auto memory = HugeMemory::allocate(group.end - group.begin);
    if (!memory) return memory.error();
    fill(memory->data());
    pool.parallel_for(static_cast<int64_t>(group.last - group.first), [&](int64_t i, int) {
        const size_t index = group.first + static_cast<size_t>(i);
        const PlannedWeight& weight = plan_->weights[index];
        if (weight.twin) return;
        checksums_[index] = XXH3_64bits(memory->data() + (weight.offset - group.begin), weight.bytes);
    });
    return file_.write_at(header_.data_begin + group.begin, memory->bytes());
}

Result<PackSummary> PackWriter::finish() {
    for (size_t i = 0; i < files_.size(); i++) {
        const auto bytes = std::as_bytes(std::span(files_[i].content));
        if (const Status written = file_.write_at(header_.data_begin + file_offsets_[i], bytes); !written)
            return written.error();
    }
    const std::string directory = directory_text();
    CHECK_EQ(directory.size(), header_.directory_bytes);
    header_.checksum = header_checksum(header_, directory);
    if (const Status written = file_.write_at(sizeof header_, std::as_bytes(std::span(directory))); !written)
        return written.error();
    if (const Status written = file_.write_at(0, std::as_bytes(std::span(&header_, 1))); !written)
        return written.error();
    if (const Status committed = file_.commit(); !committed) return committed.error();
    return PackSummary{plan_->weights.size(), header_.file_bytes};
}

}  // namespace hone::model
