// The request log: one JSON object a line for every request that is over (README.md has the fields). Lines are queued
// and written by a thread of its own; when it cannot keep up, or the disk or the memory is full, lines are dropped and
// counted in a line of their own. A file that was renamed or removed (logrotate) is opened anew. Any thread may note; records keep
// the log alive.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "serve/request_record.h"

namespace hone::serve {

class RequestLog {
  public:
    // Appends to the file at `path`, which is created if need be; "-" is stderr. `model` is told in every line.
    static Result<std::shared_ptr<RequestLog>> open(std::string path, std::string model);
    ~RequestLog();  // writes what is queued

    // A record that is noted when the last owner lets go of it. Without a log: one that is forgotten.
    static std::shared_ptr<RequestRecord> new_record(std::shared_ptr<RequestLog> log);

  private:
    RequestLog(std::string path, std::string model);
    void note(std::unique_ptr<RequestRecord> record) noexcept;
    void run();
    size_t write_taken(size_t dropped);
    Status reopen();
    boost::json::object line_of(const RequestRecord& record) const;
    bool write(const boost::json::object& line);
    void complain(const Error& problem);

    const std::string path_, model_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::unique_ptr<RequestRecord>> queue_;  // has the room that it may need: noting takes no memory
    size_t dropped_ = 0;
    bool stopping_ = false;
    // The writing thread's:
    std::vector<std::unique_ptr<RequestRecord>> taken_;  // from the queue; has the same room
    int fd_ = -1;
    bool failing_ = false;
    bool torn_ = false;  // the file ends within a line
    std::thread thread_;
};

}  // namespace hone::serve
