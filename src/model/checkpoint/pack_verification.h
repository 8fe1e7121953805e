// Comparing the tensors of a pack with their checksums while the model already runs: a thread of its own, of a priority
// at which it takes only processor time that nobody else wants. On its way it enters every page in the page tables and
// brings what is not in memory from the disk, in the order in which layers need it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"

namespace hone::model {

// Where a tensor lies in its file, and what its bytes must hash to.
struct TensorChecksum {
    std::string name;
    size_t offset = 0, bytes = 0;
    uint64_t xxh3 = 0;
};

struct PackChecksums {
    std::shared_ptr<const MappedFile> file;  // null: there is nothing to verify
    std::vector<TensorChecksum> tensors;     // inside the file
};

// Names the file and tensor, how it is damaged, and what to do.
Error damaged_tensor(const MappedFile& file, const std::string& name, std::string_view how);

// Owned by one thread. The verifying thread holds the mapping, so nobody has to wait until it is given time to notice
// that it shall stop.
class BackgroundVerification {
  public:
    // `done` is called once, on the verifying thread, with the first damage or with success; never after the
    // destructor.
    BackgroundVerification(PackChecksums checksums, std::function<void(Status)> done);
    ~BackgroundVerification();
    BackgroundVerification(const BackgroundVerification&) = delete;
    BackgroundVerification& operator=(const BackgroundVerification&) = delete;

  private:
    struct Job;
    const std::shared_ptr<Job> job_;
};

}  // namespace hone::model
