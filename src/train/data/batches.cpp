#include "train/data/batches.h"

namespace hone::train {

BatchStream::BatchStream(const RecordIndex& index, const RecordReader& reader, Selection selection,
                         const PackingOptions& options, const DataPosition& start)
    : packer_(index, reader, std::move(selection), options, start), thread_([this] { prepare(); }) {}

BatchStream::~BatchStream() {
    {
        const std::lock_guard lock(mutex_);
        stops_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void BatchStream::prepare() {
    for (bool goes_on = true; goes_on;) {
        Result<std::optional<Batch>> batch = pack();
        goes_on = batch.ok() && batch->has_value();
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stops_ || ready_.size() < kAhead; });
        if (stops_) return;
        ready_.push_back(std::move(batch));
        changed_.notify_all();
    }
}

// The thread has nobody above it who could catch.
Result<std::optional<Batch>> BatchStream::pack() {
    try {
        return packer_.next();
    } catch (const std::bad_alloc&) {
        return error("there is no memory to read the data; set train.tokens lower");
    } catch (const std::exception& failure) {
        return error("reading the data: {}", failure.what());
    }
}

Result<std::optional<Batch>> BatchStream::next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !ready_.empty(); });
    const bool is_last = !ready_.front().ok() || !ready_.front()->has_value();
    if (is_last) return ready_.front();
    Result<std::optional<Batch>> batch = std::move(ready_.front());
    ready_.pop_front();
    changed_.notify_all();
    return batch;
}

}  // namespace hone::train
