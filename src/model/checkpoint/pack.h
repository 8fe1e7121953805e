// Hone's own model file: weights as the kernels read them, mapped and used in place; one file with config and tokenizer
// inside.
//
//   +0    8  magic "HONEPACK"
//   +8    u32  version (kPackVersion)
//   +12   u32  0
//   +16   u64  D, bytes of the directory
//   +24   u64  B, where the data begin: a multiple of 4096, of 2 MiB if they are 64 MiB or more
//   +32   u64  bytes of the whole file
//   +40   u64  0, 0
//   +56   u64  XXH3-64 of the directory, seeded with the XXH3-64 of bytes 0..55
//   +64   D bytes of JSON, the directory; zeros up to B:
//           {"layout": hex, XXH3-64 of what this build's packer makes of a fixed matrix in every format,
//            "weights": "auto" | "bf16" | "int4" | "int4-experts",
//            "tensors": [{"name", "role", "format", "n", "k", "offset", "bytes", "xxh3"}, ...], as Model::visit lists them
//            "files":   [{"name", "offset", "bytes", "xxh3"}, ...]}
//   +B    data, little endian: tensors as math/quant/packed_layout.h draws them ("f32_vector": n fp32 values), files.
//         Offsets count from B. A tensor's is a multiple of 64, of 4096 from 16 KiB on, of 2 MiB from 64 MiB on. Two
//         tensors share their bytes (an embedding and its tied head) or are apart.
//
// The files are the small ones of the checkpoint, config.json first of all. Opening checks header, directory, every
// offset and the files' checksums, and touches no tensor; verify() reads them all.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "base/thread_pool.h"
#include "model/checkpoint/load.h"
#include "model/checkpoint/random_weights.h"
#include "model/checkpoint/weight_store.h"
#include "model/model.h"

namespace hone::model {

constexpr std::string_view kPackMagic = "HONEPACK";
constexpr uint32_t kPackVersion = 1;

// One tensor of the directory, its offset already that of the file.
struct PackedTensor {
    std::string name;
    WeightRole role = WeightRole::norm;
    std::optional<math::WeightFormat> format;  // nothing for a vector of fp32
    int32_t n = 0, k = 0;
    size_t offset = 0, bytes = 0;
    uint64_t checksum = 0;
};

// An open pack. Immutable; any thread may read.
class PackFile {
  public:
    // Errors name the file and what is wrong with it: not a pack, another version, cut short, damaged, impossible.
    static Result<PackFile> open(const std::filesystem::path& path);

    const boost::json::object& config() const { return config_; }
    const std::vector<PackedTensor>& tensors() const { return tensors_; }
    // The small files by name, config.json too; they lie in the mapping.
    const std::map<std::string, std::string_view>& files() const { return files_; }
    size_t bytes() const { return file_->bytes().size(); }

    // Points every slot of the model, which config() describes, at its bytes. The formats are the pack's; an error if
    // `weights` asks for others.
    Status attach_to(Model& model, WeightChoice weights) const;
    // What BackgroundVerification needs.
    PackChecksums checksums() const;
    // Compares every tensor with its checksum.
    Status verify(ThreadPool& pool, bool quiet) const;
    // The mapping, which is shared: bytes stay where they are.
    WeightStore weights() const;

  private:
    Status read_directory(const boost::json::object& directory, size_t data_begin);
    Status read_files(const boost::json::object& directory, size_t data_begin);
    Status read_config();
    Status check_overlaps() const;

    std::shared_ptr<const MappedFile> file_;
    boost::json::object config_;
    std::vector<PackedTensor> tensors_;
    std::map<std::string, std::string_view> files_;
};

// Opens the pack file and compares every tensor with its checksum. Errors name the tensor; a checkpoint folder has no
// checksums, which is an error too.
Status verify_pack(const std::filesystem::path& path, ThreadPool& pool, bool quiet);

struct PackSummary {
    size_t tensors = 0, bytes = 0;  // bytes of the file
};

// Packs the checkpoint folder into `out`, which appears when it is whole. Memory: the packed form of 64 MiB of stored
// tensors or of the largest one (620 MB for an embedding of 152k tokens), and the directory (15 MB for 18,600 tensors).
Result<PackSummary> pack_model(const std::filesystem::path& folder, const std::filesystem::path& out,
                               const LoadOptions& options, ThreadPool& pool);

// The same of random weights (random_weights.h): those that random_model makes of the same config and options.
// config.json is the only small file, so the model has no tokenizer. Errors: a config that make_model refuses.
Result<PackSummary> pack_random_model(const boost::json::object& config, const std::string& name,
                                      const std::filesystem::path& out, const RandomOptions& options, ThreadPool& pool);

// Stands for the packed layouts of this build: packs made under another one must not be used in place.
std::string packed_layout_fingerprint();

}  // namespace hone::model
