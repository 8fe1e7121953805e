#include "serve/request_log.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/openai/api_error.h"

namespace hone::serve {

namespace json = boost::json;

namespace {

constexpr size_t kMostQueued = 10'000;

// RFC 3339 with milliseconds, UTC.
std::string time_text(double seconds_ago) {
    using namespace std::chrono;
    const auto when = system_clock::now() - duration_cast<system_clock::duration>(duration<double>(seconds_ago));
    const auto milliseconds = duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count();
    const std::time_t whole = milliseconds / 1000;
    std::tm parts{};
    gmtime_r(&whole, &parts);
    char text[32];
    const size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    return fmt::format("{}.{:03}Z", std::string_view(text, size), milliseconds % 1000);
}

// Seconds from one moment to another, to the microsecond; null where one of them did not come.
json::value span_of(double from, double to) {
    if (from == 0 || to == 0) return nullptr;
    return std::round((to - from) * 1e6) / 1e6;
}

bool is_probe(const RequestRecord& record) {
    return record.path == "/health" || record.path == "/metrics";
}

}  // namespace

RequestLog::RequestLog(std::string path, std::string model) : path_(std::move(path)), model_(std::move(model)) {
    queue_.reserve(kMostQueued);
    taken_.reserve(kMostQueued);
}

Result<std::shared_ptr<RequestLog>> RequestLog::open(std::string path, std::string model) {
    std::shared_ptr<RequestLog> log(new RequestLog(std::move(path), std::move(model)));
    if (const Status opened = log->reopen(); !opened) return opened.error();
    log->thread_ = std::thread([bare = log.get()] { bare->run(); });
    return log;
}

RequestLog::~RequestLog() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
    if (fd_ > STDERR_FILENO) ::close(fd_);
}

std::shared_ptr<RequestRecord> RequestLog::new_record(std::shared_ptr<RequestLog> log) {
    if (!log) return std::make_shared<RequestRecord>();
    return {new RequestRecord,
            [log = std::move(log)](RequestRecord* record) { log->note(std::unique_ptr<RequestRecord>(record)); }};
}

void RequestLog::note(std::unique_ptr<RequestRecord> record) noexcept {
    if (is_probe(*record)) return;
    {
        std::lock_guard lock(mutex_);
        if (queue_.size() >= kMostQueued) {
            ++dropped_;
            return;
        }
        queue_.push_back(std::move(record));
    }
    changed_.notify_one();
}

void RequestLog::run() {
    for (;;) {
        size_t dropped = 0;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            if (queue_.empty()) return;
            taken_.swap(queue_);
            dropped = std::exchange(dropped_, 0);
        }
        const size_t lost = write_taken(dropped);
        taken_.clear();
        std::lock_guard lock(mutex_);
        dropped_ += lost;
    }
}

// Writes the lines of taken_, before them the count of those dropped until now; how many lines are missing behind it.
size_t RequestLog::write_taken(size_t dropped) {
    size_t missing = dropped + taken_.size();
    try {
        if (const Status opened = reopen(); !opened) {
            complain(opened.error());
            return missing;
        }
        if (dropped > 0 && write({{"time", time_text(0)}, {"lines_dropped", dropped}})) missing -= dropped;
        for (const auto& record : taken_)
            if (write(line_of(*record))) --missing;
    } catch (const std::bad_alloc&) {  // the rest is missing
    }
    return missing;
}

// Follows the path: what is open may have been renamed or removed.
Status RequestLog::reopen() {
    if (path_ == "-") {
        fd_ = STDERR_FILENO;
        return ok();
    }
    struct stat now {
    }, there{};
    const bool same = fd_ >= 0 && ::fstat(fd_, &now) == 0 && ::stat(path_.c_str(), &there) == 0 &&
                      now.st_ino == there.st_ino && now.st_dev == there.st_dev;
    if (same) return ok();
    const int opened = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (opened < 0) return error("cannot write the request log '{}': {}", path_, std::strerror(errno));
    if (fd_ >= 0) ::close(fd_);
    fd_ = opened;
    torn_ = false;
    return ok();
}

// Whether all of the line is in the file.
bool RequestLog::write(const json::object& line) {
    const std::string text = (torn_ ? "\n" : "") + json::serialize(line) + '\n';
    for (std::string_view rest = text; !rest.empty();) {
        const ssize_t count = ::write(fd_, rest.data(), rest.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            complain(error("cannot write the request log '{}': {}", path_, std::strerror(errno)));
            return false;
        }
        if (count > 0) torn_ = rest[static_cast<size_t>(count) - 1] != '\n';
        rest.remove_prefix(static_cast<size_t>(count));
    }
    failing_ = false;
    return true;
}

// Once, until writing works again.
void RequestLog::complain(const Error& problem) {
    if (!std::exchange(failing_, true)) LOG_WARN("{}; lines are dropped until it can be written", problem.message);
}

json::object RequestLog::line_of(const RequestRecord& record) const {
    const SequenceTimes& times = record.times;
    const double now = monotonic_seconds();
    json::object line{{"time", time_text(now - record.arrived)},
                      {"id", record.id},
                      {"method", quotable(record.method, 20)},
                      {"path", quotable(record.path)},
                      {"status", record.status},
                      {"error", text_or_null(record.error.empty() ? record.stream_error : record.error)},
                      {"tenant", record.tenant},
                      {"model", model_},
                      {"bytes_in", record.bytes_in},
                      {"bytes_out", record.bytes_out},
                      {"total_s", span_of(record.arrived, record.ended)}};
    if (record.sequences > 0) {
        const bool has_adapter = !record.adapter.empty();
        const json::object generation{{"adapter", text_or_null(record.adapter)},
                                      {"adapter_version", has_adapter ? json::value(record.adapter_version) : nullptr},
                                      {"stream", record.stream},
                                      {"sequences", record.sequences},
                                      {"prompt_tokens", record.prompt_tokens},
                                      {"cached_tokens", record.cached_tokens},
                                      {"output_tokens", record.output_tokens},
                                      {"finish", text_or_null(record.finish)},
                                      {"intake_s", span_of(record.arrived, times.submitted)},
                                      {"queue_s", span_of(times.submitted, times.scheduled)},
                                      {"prefill_s", span_of(times.scheduled, times.first_token)},
                                      {"decode_s", span_of(times.first_token, times.last_token)},
                                      {"ttft_s", span_of(record.arrived, times.first_token)}};
        line.insert(generation.begin(), generation.end());
    }
    return line;
}

}  // namespace hone::serve
