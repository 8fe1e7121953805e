#include "model/checkpoint/hugging_face_folder.h"

#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace hone::model {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

// Tensors [first, last) go to one file.
struct Shard {
    size_t first = 0, last = 0;
};

size_t bytes_of(const TensorDeclaration& tensor) {
    return static_cast<size_t>(math::element_count(tensor.shape)) * math::size_of(tensor.dtype);
}

// One shard at least. A tensor is in one, however large.
std::vector<Shard> cut_into_shards(std::span<const TensorDeclaration> tensors, size_t limit) {
    std::vector<Shard> shards(1);
    size_t bytes = 0;
    for (size_t i = 0; i < tensors.size(); i++) {
        if (bytes > 0 && bytes + bytes_of(tensors[i]) > limit) {
            shards.push_back({i, i});
            bytes = 0;
        }
        bytes += bytes_of(tensors[i]);
        shards.back().last = i + 1;
    }
    return shards;
}

Status write_shard(const fs::path& path, std::span<const TensorDeclaration> tensors, size_t first,
                   FunctionRef<Status(size_t tensor, PutBytes put)> values) {
    // transformers refuses files that do not say which framework's layout they have.
    auto writer = SafetensorsWriter::create(path, {tensors.begin(), tensors.end()}, {{"format", "pt"}});
    if (!writer) return writer.error();
    for (size_t i = 0; i < tensors.size(); i++) {
        size_t offset = 0;
        const auto put = [&](std::span<const std::byte> bytes) -> Status {
            const size_t begin = offset;
            offset += bytes.size();
            return writer->write(i, begin, bytes);
        };
        if (const Status written = values(first + i, put); !written) return written;
    }
    return writer->finish();
}

}  // namespace

Status write_hugging_face_folder(const fs::path& out, std::span<const TensorDeclaration> tensors,
                                 std::span<const SmallFile> files,
                                 FunctionRef<Status(size_t tensor, PutBytes put)> values, size_t shard_bytes,
                                 AtomicFolder::Existing existing) {
    size_t tensor_bytes = 0, bytes = 0;
    for (const TensorDeclaration& tensor : tensors) tensor_bytes += bytes_of(tensor);
    for (const SmallFile& file : files) bytes += file.content.size();
    bytes += tensor_bytes;
    const auto fill = [&](const fs::path& folder) -> Status {
        if (const Status written = write_small_files(folder, files); !written) return written;
        const std::vector<Shard> shards = cut_into_shards(tensors, shard_bytes);
        json::object weight_map;
        for (size_t i = 0; i < shards.size(); i++) {
            const auto [first, last] = shards[i];
            const std::string name = shards.size() == 1
                                         ? "model.safetensors"
                                         : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
            const auto part = tensors.subspan(first, last - first);
            if (const Status written = write_shard(folder / name, part, first, values); !written) return written;
            for (const TensorDeclaration& tensor : part) weight_map[tensor.name] = name;
        }
        if (shards.size() == 1) return ok();
        const json::object index{{"metadata", json::object{{"total_size", tensor_bytes}}},
                                 {"weight_map", std::move(weight_map)}};
        return write_file(folder / "model.safetensors.index.json", json::serialize(index));
    };
    return write_folder(out, bytes, existing, fill);
}

}  // namespace hone::model
