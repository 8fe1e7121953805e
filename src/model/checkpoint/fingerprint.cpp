#include "model/checkpoint/fingerprint.h"

#include <memory>

#include <boost/json/serialize.hpp>
#include <xxhash.h>

#include "model/checkpoint/small_files.h"

namespace hone::model {
namespace {

// XXH3-128 of what is added.
class Digest {
  public:
    Digest() : state_(XXH3_createState(), XXH3_freeState) { XXH3_128bits_reset(state_.get()); }
    void add(const void* data, size_t bytes) { XXH3_128bits_update(state_.get(), data, bytes); }
    void add(const std::string& text) { add(text.data(), text.size()); }
    std::string hexadecimal() const {
        const XXH128_hash_t digest = XXH3_128bits_digest(state_.get());
        return fmt::format("{:016x}{:016x}", digest.high64, digest.low64);
    }

  private:
    std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

}  // namespace

std::string weights_fingerprint(const LoadedModel& loaded) {
    Digest digest;
    digest.add(boost::json::serialize(loaded.config));
    for (const TensorChecksum& tensor : loaded.checksums.tensors) {
        digest.add(tensor.name);
        digest.add(&tensor.bytes, sizeof tensor.bytes);
        digest.add(&tensor.xxh3, sizeof tensor.xxh3);
    }
    if (loaded.checksums.tensors.empty()) digest.add(loaded.weights.bytes().data(), loaded.weights.bytes().size());
    return digest.hexadecimal();
}

Result<std::string> text_fingerprint(const FileSet& files) {
    const auto found = read_small_files(files);
    if (!found) return found.error();
    Digest digest;
    for (const SmallFile& file : *found) {
        if (file.name == "config.json" || file.name == "generation_config.json") continue;
        digest.add(fmt::format("{} {} ", file.name, file.content.size()));
        digest.add(file.content);
    }
    return digest.hexadecimal();
}

}  // namespace hone::model
