#include "model/checkpoint/pack_verification.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include <sched.h>
#include <sys/resource.h>
#include <xxhash.h>

#include "model/printable.h"

namespace hone::model {

constexpr size_t kBlock = size_t{1} << 20;  // between two looks at whether to stop

// Of the calling thread. Neither call fails where the system allows what every process may do.
static void take_idle_priority() {
    const sched_param none{};
    if (sched_setscheduler(0, SCHED_IDLE, &none) != 0) setpriority(PRIO_PROCESS, 0, 19);
}

Error damaged_tensor(const MappedFile& file, const std::string& name, std::string_view how) {
    return error("{}: tensor {} is damaged ({}); copy the file again, or make it anew with `hone pack`",
                 file.path().string(), in_quotes(name), how);
}

// Shared by the owner and the thread.
struct BackgroundVerification::Job {
    const PackChecksums checksums;
    const std::function<void(Status)> done;
    std::atomic<bool> stopping{false};
    std::mutex telling;  // held while `done` is called, and to stop

    void run();
    std::optional<Status> verify_all() const;
    std::optional<Status> verify(const TensorChecksum& tensor, std::span<std::byte> buffer) const;
};

BackgroundVerification::BackgroundVerification(PackChecksums checksums, std::function<void(Status)> done)
    : job_(std::make_shared<Job>(std::move(checksums), std::move(done))) {
    std::thread([job = job_] { job->run(); }).detach();
}

BackgroundVerification::~BackgroundVerification() {
    job_->stopping = true;
    const std::lock_guard lock(job_->telling);
}

void BackgroundVerification::Job::run() {
    take_idle_priority();
    std::optional<Status> outcome = verify_all();
    const std::lock_guard lock(telling);
    if (outcome && !stopping) done(std::move(*outcome));
}

// Nothing if it was stopped.
std::optional<Status> BackgroundVerification::Job::verify_all() const {
    std::vector<std::byte> buffer(kBlock);
    for (const TensorChecksum& tensor : checksums.tensors) {
        std::optional<Status> verified = verify(tensor, buffer);
        if (!verified || !*verified) return verified;
    }
    return ok();
}

// Reads each block of the file first, so that a page which is not there is an error and no signal.
std::optional<Status> BackgroundVerification::Job::verify(const TensorChecksum& tensor,
                                                          std::span<std::byte> buffer) const {
    const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
    XXH3_64bits_reset(state.get());
    for (size_t at = 0; at < tensor.bytes; at += buffer.size()) {
        if (stopping) return std::nullopt;
        const auto block = buffer.first(std::min(buffer.size(), tensor.bytes - at));
        if (const Status read = checksums.file->read_at(tensor.offset + at, block); !read)
            return damaged_tensor(*checksums.file, tensor.name, read.error().message);
        enter_pages(checksums.file->bytes().subspan(tensor.offset + at, block.size()));
        XXH3_64bits_update(state.get(), block.data(), block.size());
    }
    if (XXH3_64bits_digest(state.get()) == tensor.xxh3) return ok();
    return damaged_tensor(*checksums.file, tensor.name, "wrong checksum");
}

}  // namespace hone::model
