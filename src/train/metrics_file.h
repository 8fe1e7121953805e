// OUTPUT/metrics.jsonl: one JSON object a line for every step and evaluation, in order. After a restart the lines behind
// the checkpoint are cut off, as if the run had never been interrupted. One thread. Errors name the file.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace hone::train {

class MetricsFile {
  public:
    // Keeps the first `bytes` bytes of the file, and goes on behind them. A file that is shorter is kept whole.
    static Result<MetricsFile> open(const std::filesystem::path& path, uint64_t bytes);
    ~MetricsFile();
    MetricsFile(MetricsFile&& other) noexcept;
    MetricsFile& operator=(MetricsFile&&) = delete;

    Status append(std::string_view line);
    // Until this returns, lines may be lost with the machine's power.
    Status sync();
    uint64_t bytes() const { return bytes_; }

  private:
    explicit MetricsFile(std::filesystem::path path) : path_(std::move(path)) {}

    std::filesystem::path path_;
    int file_ = -1;
    uint64_t bytes_ = 0;
};

}  // namespace hone::train
