#include "model/checkpoint/export_weights.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <boost/json/serialize.hpp>

#include "base/progress.h"
#include "model/checkpoint/checkpoint_folder.h"
#include "model/checkpoint/name_map.h"
#include "model/checkpoint/weight_plan.h"

namespace hone::model {

namespace json = boost::json;
using math::DType;

namespace {

constexpr int64_t kBlockElements = int64_t{1} << 20;

// A weight on its way out: its rows as fp32.
struct Source {
    std::string name;
    WeightSlot slot;
    std::span<const float> values = {};  // empty: unpacked from the slot's matrix
    DType dtype = DType::f32;
    bool is_rounded = false;  // to dtype; else its values are exact in it
    int32_t rank = 0;         // of what is merged into it, A [rank, k] and B [n, rank]; 0: nothing is
    float scale = 0;
    std::span<const float> a = {}, b = {};

    void read_row(int64_t row, float* out) const {
        if (values.empty())
            math::unpack_row(*slot.matrix, row, out);
        else
            std::copy_n(values.data() + row * slot.k, slot.k, out);
        if (rank > 0) merge_row(row, out);
    }
    void merge_row(int64_t row, float* out) const {
        std::vector<float> change(static_cast<size_t>(slot.k));
        for (int32_t r = 0; r < rank; r++) {
            const float factor = b[static_cast<size_t>(row * rank + r)];
            const float* const direction = &a[static_cast<size_t>(int64_t{r} * slot.k)];
            for (size_t i = 0; i < change.size(); i++) change[i] += factor * direction[i];
        }
        for (size_t i = 0; i < change.size(); i++) out[i] += scale * change[i];
    }
};

// The adapter's factors by target.
using Adapted = std::map<std::string_view, const AdaptedMatrix*>;

// Takes its factors from the adapter, if that changes it; all matrices but routers are rounded then.
void merge(const Adapted& adapted, Source& source) {
    const WeightSlot& slot = source.slot;
    source.is_rounded = !adapted.empty() && slot.matrix && slot.role != WeightRole::router;
    const ModuleTarget target = target_of_slot(slot);
    const auto found = adapted.find(target.name);
    if (found == adapted.end()) return;
    const AdaptedMatrix& matrix = *found->second;
    // The expert's, or those that all share.
    const auto of_expert = [&](std::span<const float> factors, int64_t size) {
        const auto one = static_cast<size_t>(size);
        return factors.subspan(static_cast<size_t>(target.expert.value_or(0)) * one % factors.size(), one);
    };
    source.rank = matrix.rank;
    source.scale = matrix.scale;
    source.a = of_expert(matrix.a, int64_t{matrix.rank} * slot.k);
    source.b = of_expert(matrix.b, int64_t{slot.n} * matrix.rank);
}

bool is_bf16(const math::Weight& weight) {
    return weight.format == math::WeightFormat::bf16 || weight.format == math::WeightFormat::bf16_rows;
}

bool fits_bf16(const Source& source) {
    if (source.is_rounded) return true;
    if (source.values.empty() && is_bf16(*source.slot.matrix)) return true;
    std::vector<float> row(static_cast<size_t>(source.slot.k));
    for (int64_t i = 0; i < source.slot.n; i++) {
        source.read_row(i, row.data());
        if (std::ranges::any_of(row, [](float x) { return (std::bit_cast<uint32_t>(x) & 0xffff) != 0; })) return false;
    }
    return true;
}

// All tensors to write. A tied head is one only where its values are not the embedding's.
std::vector<Source> list_sources(const std::vector<WeightSlot>& slots, const WeightValues* masters,
                                 const Adapted& adapted) {
    std::vector<Source> sources;
    for (const WeightSlot& slot : slots) {
        Source source{.name = slot.name, .slot = slot};
        if (slot.vector) source.values = *slot.vector;
        if (masters && slot.has_gradient()) {  // the others are what the model reads
            const auto found = masters->find(slot.name);
            CHECK(found != masters->end() && std::ssize(found->second) == int64_t{slot.n} * slot.k, "{}", slot.name);
            source.values = found->second;
        }
        merge(adapted, source);
        const bool is_tied = slot.role == WeightRole::head && !sources.empty() && sources.front().name == slot.name;
        if (is_tied && source.rank == 0 && (masters || is_bf16(*slot.matrix))) continue;
        if (is_tied) source.name = kHeadName;
        if (fits_bf16(source)) source.dtype = DType::bf16;
        sources.push_back(std::move(source));
    }
    return sources;
}

// The small files, config.json as it fits the tensors.
Result<std::vector<SmallFile>> list_files(const FileSet& given, json::object config, std::span<const Source> sources) {
    auto files = read_small_files(given);
    if (!files) return files.error();
    std::erase_if(*files, [](const SmallFile& file) { return file.name == "config.json"; });
    const bool needs_f32 = std::ranges::any_of(sources, [](const Source& source) {
        return source.dtype == DType::f32 && source.slot.matrix && source.slot.role != WeightRole::router;
    });
    // What transformers loads into: without it, values would be rounded where they are read.
    if (needs_f32) config[config.contains("dtype") ? "dtype" : "torch_dtype"] = "float32";
    const auto is_untied_head = [](const Source& source) {
        return source.slot.role == WeightRole::head && source.name != source.slot.name;
    };
    if (std::ranges::any_of(sources, is_untied_head)) config["tie_word_embeddings"] = false;
    files->push_back({"config.json", json::serialize(config)});
    return files;
}

// Puts the rows in blocks, converted by the pool.
Status put_rows(const Source& source, PutBytes put, ThreadPool& pool, Progress& progress) {
    const int64_t n = source.slot.n, k = source.slot.k;
    const int64_t block = std::clamp<int64_t>(kBlockElements / k, 1, n);
    std::vector<float> values(static_cast<size_t>(block * k));
    std::vector<uint16_t> narrow(source.dtype == DType::bf16 ? values.size() : 0);
    for (int64_t first = 0; first < n; first += block) {
        const int64_t rows = std::min(block, n - first);
        pool.parallel_for(rows, [&](int64_t row, int) {
            float* const out = values.data() + row * k;
            source.read_row(first + row, out);
            if (narrow.empty()) return;
            for (int64_t i = 0; i < k; i++) {
                const auto exact = static_cast<uint16_t>(std::bit_cast<uint32_t>(out[i]) >> 16);
                narrow[static_cast<size_t>(row * k + i)] = source.is_rounded ? math::round_to_bf16(out[i]).bits : exact;
            }
        });
        const auto count = static_cast<size_t>(rows * k);
        const auto bytes = narrow.empty() ? std::as_bytes(std::span(values).first(count))
                                          : std::as_bytes(std::span(narrow).first(count));
        if (const Status written = put(bytes); !written) return written;
        progress.advance(bytes.size());
    }
    return ok();
}

}  // namespace

Status export_model(Model& model, const json::object& config, const FileSet& files, const std::filesystem::path& out,
                    const ExportOptions& options, ThreadPool& pool) {
    const auto slots = list_slots(model);
    if (!slots) return slots.error();
    CHECK(!options.masters || !options.adapter, "an adapter of weights that are trained themselves");
    std::vector<AdaptedMatrix> matrices;
    if (options.adapter) {
        auto fitted = fit_adapter(*options.adapter, adapter_targets(model));
        if (!fitted) return fitted.error();
        matrices = std::move(*fitted);
    }
    Adapted adapted;
    for (const AdaptedMatrix& matrix : matrices) adapted.emplace(matrix.name, &matrix);
    const std::vector<Source> sources = list_sources(*slots, options.masters, adapted);
    auto small_files = list_files(files, config, sources);
    if (!small_files) return small_files.error();
    std::ranges::copy(options.folder.more, std::back_inserter(*small_files));
    std::vector<TensorDeclaration> tensors;
    size_t bytes = 0;
    for (const Source& source : sources) {
        const math::Shape shape =
            source.slot.vector ? math::Shape{source.slot.n} : math::Shape{source.slot.n, source.slot.k};
        tensors.push_back({source.name, source.dtype, shape});
        bytes += static_cast<size_t>(math::element_count(shape)) * math::size_of(source.dtype);
    }
    Progress progress(fmt::format("exporting {}", folder_name(out)), bytes, Progress::Unit::bytes, options.quiet);
    const Status written = write_hugging_face_folder(
        out, tensors, *small_files,
        [&](size_t tensor, PutBytes put) { return put_rows(sources[tensor], put, pool, progress); },
        options.shard_bytes, options.folder.existing);
    if (written) progress.finish();
    return written;
}

}  // namespace hone::model
