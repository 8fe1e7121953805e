// Writes a folder in Hugging Face layout, which appears whole or not at all: the small files as they are given, the
// tensors in model.safetensors, or from kShardBytes on in shards model-0000I-of-0000N.safetensors with
// model.safetensors.index.json. The values come from the caller piece by piece, so memory is what the caller holds.
// Reading: checkpoint_folder.h. One thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "base/function_ref.h"
#include "base/result.h"
#include "model/checkpoint/safetensors_writer.h"
#include "model/checkpoint/small_files.h"

namespace hone::model {

constexpr size_t kShardBytes = 5'000'000'000;  // transformers' own limit

// Takes the next bytes of a tensor, little endian, row-major.
using PutBytes = FunctionRef<Status(std::span<const std::byte> bytes)>;

// `values` is called once for each tensor, in order, and puts all of its bytes from the first to the last; an error of
// it, or of put(), ends the writing. Tensors' and files' names are distinct. `out` must not be there, unless it
// is a folder to be replaced; errors name it, and what a full disk lacks.
Status write_hugging_face_folder(const std::filesystem::path& out, std::span<const TensorDeclaration> tensors,
                                 std::span<const SmallFile> files,
                                 FunctionRef<Status(size_t tensor, PutBytes put)> values,
                                 size_t shard_bytes = kShardBytes,
                                 AtomicFolder::Existing existing = AtomicFolder::Existing::refuse);

}  // namespace hone::model
