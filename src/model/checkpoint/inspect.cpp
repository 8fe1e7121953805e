#include "model/checkpoint/inspect.h"

#include <algorithm>
#include <map>
#include <set>

#include "model/checkpoint/open_checkpoint.h"
#include "model/checkpoint/pack.h"
#include "model/zoo/zoo.h"

namespace hone::model {

namespace {

void report_folder(const OpenCheckpoint& checkpoint, Inspection& inspection) {
    for (size_t i = 0; i < checkpoint.tensors.size(); i++) {
        const PlannedWeight& weight = checkpoint.plan.weights[i];
        const math::TensorView& stored = *checkpoint.tensors[i];
        inspection.tensors.push_back({.name = weight.slot.name,
                                      .role = weight.slot.role,
                                      .n = weight.slot.n,
                                      .k = weight.slot.k,
                                      .stored = std::string(math::name_of(stored.dtype)),
                                      .format = std::string(name_of(weight.format)),
                                      .stored_bytes = stored.bytes.size(),
                                      .bytes = weight.bytes,
                                      .shares_bytes = weight.twin.has_value()});
    }
    for (const auto name : checkpoint.unused) inspection.unused.emplace_back(name);
}

// Of a weight that is stored as it is read.
TensorReport report_as_stored(std::string name, WeightRole role, int32_t n, int32_t k, std::string_view format,
                              size_t bytes) {
    return {.name = std::move(name),
            .role = role,
            .n = n,
            .k = k,
            .stored = std::string(format),
            .format = std::string(format),
            .stored_bytes = bytes,
            .bytes = bytes,
            .shares_bytes = false};
}

void report_pack(const PackFile& pack, Inspection& inspection) {
    std::map<size_t, size_t> users;  // of each offset
    for (const auto& tensor : pack.tensors()) users[tensor.offset]++;
    for (const auto& tensor : pack.tensors()) {
        TensorReport report =
            report_as_stored(tensor.name, tensor.role, tensor.n, tensor.k, name_of(tensor.format), tensor.bytes);
        report.shares_bytes = tensor.role == WeightRole::embedding && users[tensor.offset] > 1;
        inspection.tensors.push_back(std::move(report));
    }
}

// The part of an expert tensor's work that a token does: all of it elsewhere.
int64_t share_per_token(const ModelSpec& spec, WeightRole role, int64_t amount) {
    if (role != WeightRole::expert || spec.experts == 0) return amount;
    return amount / spec.experts * spec.experts_per_token;
}

// Sums over experts first, so that their share is exact.
void add_up(Inspection& inspection) {
    std::map<std::pair<WeightRole, std::string>, RoleTotal> totals;
    std::set<std::string> counted;                           // a tied head has its embedding's name
    std::map<WeightRole, std::pair<int64_t, int64_t>> work;  // parameters and bytes of each role
    for (const auto& tensor : inspection.tensors) {
        const size_t bytes = tensor.shares_bytes ? 0 : tensor.bytes;
        auto& total = totals[{tensor.role, tensor.format}];
        total.role = tensor.role;
        total.format = tensor.format;
        total.tensors++;
        total.parameters += tensor.parameters();
        total.bytes += bytes;
        inspection.weight_bytes += bytes;
        if (counted.insert(tensor.name).second) inspection.parameters += tensor.parameters();
        if (tensor.role == WeightRole::embedding) continue;
        work[tensor.role].first += tensor.parameters();
        work[tensor.role].second += static_cast<int64_t>(tensor.bytes);
    }
    for (auto& [key, total] : totals) inspection.totals.push_back(total);
    for (const auto& [role, sums] : work) {
        inspection.active_parameters += share_per_token(inspection.spec, role, sums.first);
        inspection.bytes_per_token += static_cast<size_t>(share_per_token(inspection.spec, role, sums.second));
    }
}

Status inspect_folder(const std::filesystem::path& path, WeightChoice weights, Inspection& inspection,
                      size_t& page_bytes) {
    const auto checkpoint = open_checkpoint(path, weights);
    if (!checkpoint) return checkpoint.error();
    inspection.kind = "folder";
    inspection.spec = checkpoint->model->spec();
    page_bytes = checkpoint->model->cache_spec().page_bytes;
    report_folder(*checkpoint, inspection);
    return ok();
}

Status inspect_pack(const std::filesystem::path& path, WeightChoice weights, Inspection& inspection,
                    size_t& page_bytes) {
    const auto pack = PackFile::open(path);
    if (!pack) return pack.error();
    const auto model = make_model(pack->config());
    if (!model) return model.error().within(path.string());
    if (const Status attached = pack->attach_to(**model, weights); !attached) return attached;
    inspection.kind = "pack";
    inspection.spec = (*model)->spec();
    page_bytes = (*model)->cache_spec().page_bytes;
    report_pack(*pack, inspection);
    return ok();
}

void report_memory(const LoadedModel& loaded, Inspection& inspection) {
    std::map<const std::byte*, size_t> users;  // of each matrix
    loaded.model->visit([&](const WeightSlot& slot) {
        if (slot.matrix) users[slot.matrix->data]++;
    });
    loaded.model->visit([&](const WeightSlot& slot) {
        const auto format = slot.matrix ? std::optional(slot.matrix->format) : std::nullopt;
        TensorReport report =
            report_as_stored(slot.name, slot.role, slot.n, slot.k, name_of(format), planned_bytes(slot, format));
        report.shares_bytes = slot.role == WeightRole::embedding && users[slot.matrix->data] > 1;
        inspection.tensors.push_back(std::move(report));
    });
}

bool are_alike(const Inspection& a, const Inspection& b) {
    const auto is_same = [](const TensorReport& x, const TensorReport& y) {
        return x.name == y.name && x.format == y.format && x.n == y.n && x.k == y.k;
    };
    return a.spec.architecture == b.spec.architecture && std::ranges::equal(a.tensors, b.tensors, is_same);
}

}  // namespace

Result<Inspection> inspect_model(const std::filesystem::path& path, WeightChoice weights) {
    std::error_code failure;
    const auto status = std::filesystem::status(path, failure);
    if (!std::filesystem::exists(status)) return error("{}: there is no such file or folder", path.string());
    Inspection inspection;
    inspection.path = path.string();
    size_t page_bytes = 0;
    const auto inspect = std::filesystem::is_directory(status) ? inspect_folder : inspect_pack;
    if (const Status inspected = inspect(path, weights, inspection, page_bytes); !inspected) return inspected.error();
    inspection.kv_bytes_per_token = page_bytes / math::kPageTokens;
    add_up(inspection);
    return inspection;
}

Inspection inspect_loaded(const LoadedModel& loaded, const std::filesystem::path& path, WeightChoice weights) {
    const bool has_files = !path.empty();
    Inspection inspection{.path = has_files ? path.string() : loaded.name,
                          .kind = !has_files                   ? "shape"
                                  : loaded.weights.is_mapped() ? "pack"
                                                               : "folder",
                          .spec = loaded.model->spec()};
    inspection.kv_bytes_per_token = loaded.model->cache_spec().page_bytes / math::kPageTokens;
    report_memory(loaded, inspection);
    add_up(inspection);
    if (!has_files) return inspection;
    auto of_files = inspect_model(path, weights);
    return of_files && are_alike(*of_files, inspection) ? std::move(*of_files) : inspection;
}

int64_t tokens_that_fit(const Inspection& inspection, size_t bytes) {
    const size_t page_bytes = inspection.kv_bytes_per_token * math::kPageTokens;
    return page_bytes == 0 ? 0 : static_cast<int64_t>(bytes / page_bytes) * math::kPageTokens;
}

}  // namespace hone::model
