// Writing a safetensors file whose tensors are known by name, type and shape before the first byte: the header goes out
// at once, then pieces of any size in any order straight to their places, so that nothing is held in memory. The file
// appears under its name when all of it has been written. One thread.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/result.h"
#include "math/tensor/tensor_view.h"

namespace hone::model {

struct TensorDeclaration {
    std::string name;
    math::DType dtype = math::DType::f32;
    math::Shape shape;
};

class SafetensorsWriter {
  public:
    // The tensors lie in the order given. Their names are distinct, their sizes add up to less than 2^62 (checked).
    static Result<SafetensorsWriter> create(const std::filesystem::path& path,
                                            const std::vector<TensorDeclaration>& tensors,
                                            const std::map<std::string, std::string>& metadata = {});

    // The file's bytes before those of the first tensor, whose offset is a multiple of 64.
    const std::string& header() const { return header_; }
    // Puts `bytes` at byte `offset` of tensor `index`; every byte of every tensor is written exactly once.
    Status write(size_t index, size_t offset, std::span<const std::byte> bytes);
    // Once all is written: makes the file appear. Before that it is our mistake (checked by the number of bytes).
    Status finish();

  private:
    struct Placed {
        size_t begin, bytes, written;
    };
    explicit SafetensorsWriter(AtomicFile file) : file_(std::move(file)) {}

    AtomicFile file_;
    std::string header_;
    std::vector<Placed> tensors_;
};

}  // namespace hone::model
