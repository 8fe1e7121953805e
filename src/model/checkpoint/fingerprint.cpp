#include "model/checkpoint/fingerprint.h"

#include <memory>

#include <boost/json/serialize.hpp>
#include <xxhash.h>

namespace hone::model {

std::string weights_fingerprint(const LoadedModel& loaded) {
    const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(), XXH3_freeState);
    XXH3_128bits_reset(state.get());
    const auto add = [&](const void* data, size_t bytes) { XXH3_128bits_update(state.get(), data, bytes); };
    const std::string config = boost::json::serialize(loaded.config);
    add(config.data(), config.size());
    for (const TensorChecksum& tensor : loaded.checksums.tensors) {
        add(tensor.name.data(), tensor.name.size());
        add(&tensor.bytes, sizeof tensor.bytes);
        add(&tensor.xxh3, sizeof tensor.xxh3);
    }
    if (loaded.checksums.tensors.empty()) add(loaded.weights.bytes().data(), loaded.weights.bytes().size());
    const XXH128_hash_t digest = XXH3_128bits_digest(state.get());
    return fmt::format("{:016x}{:016x}", digest.high64, digest.low64);
}

}  // namespace hone::model
