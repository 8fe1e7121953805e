#include "model/checkpoint/safetensors_writer.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace hone::model {

namespace json = boost::json;

constexpr size_t kDataAlignment = 64;  // the header is padded with blanks until the data begin here

Result<SafetensorsWriter> SafetensorsWriter::create(const std::filesystem::path& path,
                                                    const std::vector<TensorDeclaration>& tensors,
                                                    const std::map<std::string, std::string>& metadata) {
    auto file = AtomicFile::create(path);
    if (!file) return file.error();
    SafetensorsWriter writer(std::move(*file));

    json::object header;
    if (!metadata.empty()) {
        auto& fields = header["__metadata__"].emplace_object();
        for (const auto& [key, value] : metadata) fields[key] = value;
    }
    size_t end = 0;
    for (const auto& tensor : tensors) {
        CHECK(!header.contains(tensor.name), "tensor {} twice in {}", tensor.name, path.string());
        size_t bytes = math::size_of(tensor.dtype);
        for (const int64_t extent : tensor.shape) {
            CHECK(extent >= 0 && !__builtin_mul_overflow(bytes, static_cast<size_t>(extent), &bytes), "{}",
                  tensor.name);
        }
        const size_t begin = end;
        CHECK(!__builtin_add_overflow(begin, bytes, &end) && end < size_t{1} << 62, "{} bytes in {}", bytes,
              tensor.name);
        header[tensor.name] = json::object{{"dtype", math::name_of(tensor.dtype)},
                                           {"shape", json::array(tensor.shape.begin(), tensor.shape.end())},
                                           {"data_offsets", json::array{begin, end}}};
        writer.tensors_.push_back({begin, bytes, 0});
    }

    std::string text = json::serialize(header);
    text.append((kDataAlignment - (sizeof(uint64_t) + text.size()) % kDataAlignment) % kDataAlignment, ' ');
    const uint64_t length = text.size();
    writer.header_.assign(reinterpret_cast<const char*>(&length), sizeof length).append(text);
    for (auto& tensor : writer.tensors_) tensor.begin += writer.header_.size();
    if (const Status written = writer.file_.write(writer.header_); !written) return written.error();
    return writer;
}

Status SafetensorsWriter::write(size_t index, size_t offset, std::span<const std::byte> bytes) {
    CHECK_LT(index, tensors_.size());
    Placed& tensor = tensors_[index];
    CHECK(offset <= tensor.bytes && bytes.size() <= tensor.bytes - offset &&
              tensor.written + bytes.size() <= tensor.bytes,
          "bytes {}+{} of tensor {}, which takes {} and has {}", offset, bytes.size(), index, tensor.bytes,
          tensor.written);
    tensor.written += bytes.size();
    return file_.write_at(tensor.begin + offset, bytes);
}

Status SafetensorsWriter::finish() {
    for (size_t i = 0; i < tensors_.size(); i++) {
        CHECK(tensors_[i].written == tensors_[i].bytes, "tensor {}: {} of {} bytes written", i, tensors_[i].written,
              tensors_[i].bytes);
    }
    return file_.commit();
}

}  // namespace hone::model
