// Batches prepared ahead by a thread of its own, so that reading, templates and tokenising cost the training no time.
// The same batches as the packer's, in the same order. One thread calls next(); index and reader outlive the stream.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "train/data/packing.h"

namespace hone::train {

class BatchStream {
  public:
    BatchStream(const RecordIndex& index, const RecordReader& reader, Selection selection,
                const PackingOptions& options, const DataPosition& start = {});
    // Leaves as soon as the record that is being read is done.
    ~BatchStream();
    BatchStream(const BatchStream&) = delete;
    BatchStream& operator=(const BatchStream&) = delete;

    // As Packer::next, and no memory for a batch is an error too; behind the end and behind an error the same answer again.
    Result<std::optional<Batch>> next();

  private:
    static constexpr size_t kAhead = 2;  // batches that are ready

    void prepare();
    Result<std::optional<Batch>> pack();

    Packer packer_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Result<std::optional<Batch>>> ready_;
    bool stops_ = false;
    std::thread thread_;  // last: it uses all of the above
};

}  // namespace hone::train
