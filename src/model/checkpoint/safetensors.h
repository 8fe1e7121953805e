// Reading one safetensors file (format: https://github.com/huggingface/safetensors, README "Format"), mapped, not
// copied:
//
//   +0      u64 little endian    N, the header's length
//   +8      N bytes of JSON      {"NAME": {"dtype": "BF16", "shape": [..], "data_offsets": [begin, end]},
//                                 "__metadata__": {..}}
//   +8+N    data                 the tensors; offsets count from here; they cover it without overlap or hole
//
// Every length, shape and offset is checked when the file is opened, so that a tensor's bytes can be used without a
// look. Immutable once open; any thread may read. Writing: safetensors_writer.h.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/mapped_file.h"
#include "base/result.h"
#include "math/tensor/tensor_view.h"

namespace hone::model {

constexpr size_t kMaxSafetensorsHeader = 100'000'000;  // bytes, the format's own limit

// By name. The bytes may lie at any address: read them with memcpy unless the alignment is known.
using TensorMap = std::map<std::string, math::TensorView, std::less<>>;

struct SafetensorsContents {
    TensorMap tensors;
    std::map<std::string, std::string> metadata;
};

// The tensors of a whole file in memory, as views into it. Errors name `where` and the tensor.
Result<SafetensorsContents> parse_safetensors(std::span<const std::byte> file, const std::string& where);

class SafetensorsFile {
  public:
    static Result<SafetensorsFile> open(const std::filesystem::path& path);

    const TensorMap& tensors() const { return contents_.tensors; }
    const std::map<std::string, std::string>& metadata() const { return contents_.metadata; }
    // The tensor of that name, or null.
    const math::TensorView* find(std::string_view name) const;
    const std::filesystem::path& path() const { return file_.path(); }

  private:
    MappedFile file_;
    SafetensorsContents contents_;
};

}  // namespace hone::model
