#include "model/checkpoint/safetensors.h"

#include <algorithm>
#include <cstring>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "model/checkpoint/strict_json.h"
#include "model/printable.h"

namespace hone::model {

namespace json = boost::json;

namespace {

struct Extent {
    uint64_t begin, end;
};

// A header entry's shape; the product of the extents times the element size, in bytes, goes to `bytes`; elements of less than a byte lie side by
// side and must fill whole bytes.
Result<math::Shape> read_shape(const json::object& entry, math::DType dtype, uint64_t& bytes) {
    const auto* list = entry.if_contains("shape");
    if (!list || !list->is_array()) return error("field 'shape' must be a list");
    math::Shape shape;
    uint64_t bits = math::bits_of(dtype);
    for (const auto& element : list->get_array()) {
        const auto extent = as_whole(element);
        if (!extent) return error("field 'shape' must hold whole numbers");
        if (*extent > INT64_MAX || __builtin_mul_overflow(bits, *extent, &bits) || bits > INT64_MAX) {
            return error("the product of its shape overflows");
        }
        shape.push_back(static_cast<int64_t>(*extent));
    }
    if (bits % 8 != 0) return error("its {} bits are not whole bytes", bits);
    bytes = bits / 8;
    return shape;
}

Result<Extent> read_offsets(const json::object& entry) {
    const auto* list = entry.if_contains("data_offsets");
    if (!list || !list->is_array() || list->get_array().size() != 2) {
        return error("field 'data_offsets' must be a list of two numbers");
    }
    const auto begin = as_whole(list->get_array()[0]), end = as_whole(list->get_array()[1]);
    if (!begin || !end) return error("field 'data_offsets' must hold whole numbers");
    if (*begin > *end) return error("data_offsets [{}, {}] end before they begin", *begin, *end);
    return Extent{*begin, *end};
}

// One entry of the header, as a view into `data`.
Result<math::TensorView> read_entry(const json::value& value, std::span<const std::byte> data) {
    const auto* entry = value.if_object();
    if (!entry) return error("its entry must be an object");
    const auto* type = entry->if_contains("dtype");
    if (!type || !type->is_string()) return error("field 'dtype' is missing or not a string");
    const std::string_view type_name = type->get_string();
    const auto dtype = math::dtype_named(type_name);
    if (!dtype) return error("dtype {} is not known", in_quotes(type_name));
    uint64_t bytes = 0;
    auto shape = read_shape(*entry, *dtype, bytes);
    if (!shape) return shape.error();
    const auto extent = read_offsets(*entry);
    if (!extent) return extent.error();
    if (extent->end > data.size()) {
        return error("data_offsets [{}, {}] pass the end of the data ({} bytes): the file is cut short or corrupt",
                     extent->begin, extent->end, data.size());
    }
    if (extent->end - extent->begin != bytes) {
        return error("{} [{}] takes {} bytes, but data_offsets span {}", type_name, fmt::join(*shape, ", "), bytes,
                     extent->end - extent->begin);
    }
    return math::TensorView{*dtype, std::move(*shape), data.subspan(extent->begin, bytes)};
}

// The format asks that the tensors cover the data without overlap or hole; where they do not, the file is damaged.
Status check_coverage(const TensorMap& tensors, std::span<const std::byte> data, const std::string& where) {
    struct Placed {
        size_t begin, end;
        std::string_view name;
    };
    std::vector<Placed> placed;
    for (const auto& [name, view] : tensors) {
        const size_t begin = static_cast<size_t>(view.bytes.data() - data.data());
        placed.push_back({begin, begin + view.bytes.size(), name});
    }
    std::sort(placed.begin(), placed.end(),
              [](const Placed& a, const Placed& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    size_t reached = 0;
    for (const Placed& tensor : placed) {
        if (tensor.begin < reached) return error("{}: tensor {} overlaps another one", where, in_quotes(tensor.name));
        if (tensor.begin > reached) {
            return error("{}: {} bytes before tensor {} belong to no tensor", where, tensor.begin - reached,
                         in_quotes(tensor.name));
        }
        reached = tensor.end;
    }
    if (reached != data.size()) return error("{}: the last {} bytes belong to no tensor", where, data.size() - reached);
    return ok();
}

Status read_metadata(const json::value& value, std::map<std::string, std::string>& metadata, const std::string& where) {
    const auto* object = value.if_object();
    if (!object) return error("{}: field '__metadata__' must be an object", where);
    for (const auto& field : *object) {
        if (!field.value().is_string()) return error("{}: field '__metadata__' must hold strings", where);
        metadata.emplace(field.key(), field.value().get_string());
    }
    return ok();
}

}  // namespace

Result<SafetensorsContents> parse_safetensors(std::span<const std::byte> file, const std::string& where) {
    uint64_t header_bytes = 0;
    if (file.size() < sizeof header_bytes) {
        return error("{}: {} bytes are too few for a safetensors file", where, file.size());
    }
    std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
    file = file.subspan(sizeof header_bytes);
    if (header_bytes > kMaxSafetensorsHeader) {
        return error("{}: a header of {} bytes is more than safetensors allows: not a safetensors file?", where,
                     header_bytes);
    }
    if (header_bytes > file.size()) {
        return error("{}: the header takes {} bytes, the file has {} after its length: cut short", where, header_bytes,
                     file.size());
    }
    const std::string_view text(reinterpret_cast<const char*>(file.data()), header_bytes);
    if (!text.starts_with('{')) return error("{}: the header is not a JSON object", where);
    const auto header = parse_json_object(text, where + ": header");
    if (!header) return header.error();

    const auto data = file.subspan(header_bytes);
    SafetensorsContents contents;
    for (const auto& field : *header) {
        const std::string_view name = field.key();
        if (name == "__metadata__") {
            const Status read = read_metadata(field.value(), contents.metadata, where);
            if (!read) return read.error();
            continue;
        }
        auto view = read_entry(field.value(), data);
        if (!view) return view.error().within(fmt::format("{}: tensor {}", where, in_quotes(name)));
        contents.tensors.emplace(name, std::move(*view));
    }
    if (const Status covered = check_coverage(contents.tensors, data, where); !covered) return covered.error();
    return contents;
}

Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
    auto file = MappedFile::open(path);
    if (!file) return file.error();
    SafetensorsFile opened;
    opened.file_ = std::move(*file);
    auto contents = parse_safetensors(opened.file_.bytes(), path.string());
    if (!contents) return contents.error();
    opened.contents_ = std::move(*contents);
    return opened;
}

const math::TensorView* SafetensorsFile::find(std::string_view name) const {
    const auto found = tensors().find(name);
    return found == tensors().end() ? nullptr : &found->second;
}

}  // namespace hone::model
