// Who may come in: counts the sequences of all requests and of each API key from their arrival to their end, and refuses
// beyond the limits before any work is spent on a request. A refusal says when to come back: each place that will become
// free, at the rate of the last ends, is promised to one of those refused. Any thread; no call blocks.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/clock.h"
#include "serve/openai/api_error.h"

namespace hone::serve {

// In sequences: a request is as many as its prompts times its choices.
struct AdmissionLimits {
    int32_t streams = 64;     // that run at once
    int32_t waiting = 1024;   // that may wait beside them
    int32_t key_streams = 0;  // of one key, running or waiting; 0: no limit
    int32_t key_waiting = 0;  // of one key, before their first token; 0: no limit
    // With several keys none may have more than this many times the places that are left, so that one that floods the
    // server leaves room for the others (dynamic thresholds: Choudhury and Hahne, IEEE/ACM ToN 6(2), 1998).
    int32_t shares = 1;  // keys in use; 1: nobody to share with
};

class Admission;

// The places of one request; given back with it. One thread at a time.
class Place {
  public:
    Place() = default;
    Place(Place&& other) noexcept = default;
    Place& operator=(Place&& other) noexcept;
    ~Place() { release(); }

    // The request turned out to be this many sequences; it came in as one. Says why they have no place: 429, or 400
    // where they would find none on an empty server either.
    std::optional<ApiError> resize(int32_t sequences);
    // One of them has its first token.
    void started();
    // One of them ended, `with_tokens` if it was started.
    void ended(bool with_tokens);

  private:
    friend class Admission;
    void release();

    std::shared_ptr<Admission> admission_;
    uint32_t tenant_ = 0;
    int32_t waiting_ = 0, running_ = 0;
};

class Admission : public std::enable_shared_from_this<Admission> {
  public:
    static constexpr double kLongestWait = 60;  // seconds that a refusal tells at most

    // `clock` is monotonic seconds.
    explicit Admission(const AdmissionLimits& limits, Clock clock = monotonic_seconds)
        : limits_(limits), clock_(std::move(clock)) {}

    // Takes the first place of a request, or says why there is none (429, with the seconds until one may be free).
    std::optional<ApiError> enter(uint32_t tenant, Place& place);
    // For a refusal that was found out elsewhere: whole seconds until a place may be free.
    int32_t retry_after();

  private:
    friend class Place;
    struct Count {
        int32_t waiting = 0, running = 0;
        int32_t all() const { return waiting + running; }
    };
    // Why a request of so many sequences does not fit beside its key's others and all others.
    std::optional<ApiError> refusal(const Count& own, const Count& all, int32_t sequences) const;
    // The largest request that fits on an empty server.
    int32_t most_sequences() const;
    std::optional<ApiError> grow(uint32_t tenant, int32_t from, int32_t to);
    int32_t retry_after_locked();
    void change(uint32_t tenant, int32_t waiting, int32_t running, int32_t ends);
    void change_locked(uint32_t tenant, int32_t waiting, int32_t running, int32_t ends);

    const AdmissionLimits limits_;
    const Clock clock_;
    std::mutex mutex_;
    Count all_;
    std::unordered_map<uint32_t, Count> tenants_;
    std::array<double, 64> ends_{};  // when the last sequences ended, a ring; giving back must not need memory
    size_t end_count_ = 0;           // of all times
    double promised_until_ = 0;      // the places that become free until then are promised
};

}  // namespace hone::serve
