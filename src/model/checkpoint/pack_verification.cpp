#include "model/checkpoint/pack_verification.h"

#include <algorithm>
#include <memory>

#include <sched.h>
#include <sys/resource.h>
#include <xxhash.h>

#include "base/mapped_file.h"
#include "model/printable.h"

namespace hone::model {

constexpr size_t kBlock = size_t{1} << 20;  // between two looks at whether to stop

// Of the calling thread. Neither call fails where the system allows what every process may do.
static void take_idle_priority() {
    const sched_param none{};
    if (sched_setscheduler(0, SCHED_IDLE, &none) != 0) setpriority(PRIO_PROCESS, 0, 19);
}

Error damaged_tensor(const std::string& path, const std::string& name, std::string_view how) {
    return error("{}: tensor {} is damaged ({}); copy the file again, or make it anew with `hone pack`", path,
                 in_quotes(name), how);
}

BackgroundVerification::BackgroundVerification(std::string path, std::vector<TensorChecksum> tensors,
                                               std::function<void(Status)> done)
    : path_(std::move(path)), tensors_(std::move(tensors)), done_(std::move(done)), thread_([this] { run(); }) {}

BackgroundVerification::~BackgroundVerification() {
    stop();
    thread_.join();
}

void BackgroundVerification::run() {
    take_idle_priority();
    for (const TensorChecksum& tensor : tensors_) {
        const std::optional<Status> verified = verify(tensor);
        if (!verified) return;
        if (!*verified) return done_(*verified);
    }
    tensors_ = {};
    done_(ok());
}

std::optional<Status> BackgroundVerification::verify(const TensorChecksum& tensor) {
    const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
    XXH3_64bits_reset(state.get());
    for (size_t at = 0; at < tensor.bytes.size(); at += kBlock) {
        if (stopping_) return std::nullopt;
        const auto block = tensor.bytes.subspan(at, std::min(kBlock, tensor.bytes.size() - at));
        if (!fetch(block)) return damaged_tensor(path_, tensor.name, "cannot be read");
        XXH3_64bits_update(state.get(), block.data(), block.size());
    }
    if (XXH3_64bits_digest(state.get()) == tensor.xxh3) return ok();
    return damaged_tensor(path_, tensor.name, "wrong checksum");
}

}  // namespace hone::model
