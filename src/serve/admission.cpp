#include "serve/admission.h"

#include <algorithm>
#include <cmath>

namespace hone::serve {

namespace {

constexpr double kRateSeconds = 60;  // the rate is that of the ends within
constexpr double kUnknownWait = 2;   // for one place, while no sequence has ended
constexpr int64_t kShareOfFree = 4;  // how many times the free places a key may have

}  // namespace

Place& Place::operator=(Place&& other) noexcept {
    release();
    admission_ = std::move(other.admission_);
    tenant_ = other.tenant_;
    waiting_ = std::exchange(other.waiting_, 0);
    running_ = std::exchange(other.running_, 0);
    return *this;
}

std::optional<ApiError> Place::resize(int32_t sequences) {
    if (!admission_) return std::nullopt;
    auto refused = admission_->grow(tenant_, waiting_, sequences);
    if (!refused) waiting_ = sequences;
    return refused;
}

void Place::started() {
    if (!admission_ || waiting_ == 0) return;
    --waiting_, ++running_;
    admission_->change(tenant_, -1, 1, 0);
}

void Place::ended(bool with_tokens) {
    int32_t& count = with_tokens ? running_ : waiting_;
    if (!admission_ || count == 0) return;
    --count;
    admission_->change(tenant_, with_tokens ? 0 : -1, with_tokens ? -1 : 0, 1);
}

void Place::release() {
    const auto admission = std::exchange(admission_, nullptr);
    if (admission && waiting_ + running_ > 0) admission->change(tenant_, -waiting_, -running_, waiting_ + running_);
    waiting_ = running_ = 0;
}

std::optional<ApiError> Admission::enter(uint32_t tenant, Place& place) {
    Place taken;
    {
        std::lock_guard lock(mutex_);
        const auto found = tenants_.find(tenant);
        if (auto refused = refusal(found == tenants_.end() ? Count{} : found->second, all_, 1)) {
            refused->retry_after = retry_after_locked();
            return refused;
        }
        change_locked(tenant, 1, 0, 0);
    }
    taken.admission_ = shared_from_this();
    taken.tenant_ = tenant;
    taken.waiting_ = 1;
    place = std::move(taken);
    return std::nullopt;
}

std::optional<ApiError> Admission::grow(uint32_t tenant, int32_t from, int32_t to) {
    if (const int32_t most = most_sequences(); to > most)
        return ApiError{.message = fmt::format("'n': the request has {} sequences (prompts, times 'n'); this server "
                                               "takes at most {} at once",
                                               to, most),
                        .param = "n",
                        .code = "invalid_value"};
    std::lock_guard lock(mutex_);
    Count own = tenants_[tenant], all = all_;
    own.waiting -= from, all.waiting -= from;
    auto refused = refusal(own, all, to);
    if (refused) {
        refused->retry_after = retry_after_locked();
    } else {
        change_locked(tenant, to - from, 0, 0);
    }
    return refused;
}

std::optional<ApiError> Admission::refusal(const Count& own, const Count& all, int32_t sequences) const {
    const auto refuse = [](std::string message, const char* code) {
        ApiError error = plain_error(429, std::move(message));
        error.code = code;
        return error;
    };
    const int64_t places = int64_t{limits_.streams} + limits_.waiting;
    if (all.all() + sequences > places)
        return refuse(
            fmt::format("the server is full: {} of {} sequences run or wait, and this request asks for {}; try "
                        "again later",
                        all.all(), places, sequences),
            "overloaded");
    if (limits_.key_streams > 0 && own.all() + sequences > limits_.key_streams)
        return refuse(fmt::format("this API key has {} sequences running or waiting, may have {} at once, and this "
                                  "request asks for {}",
                                  own.all(), limits_.key_streams, sequences),
                      "key_limit");
    if (limits_.key_waiting > 0 && own.waiting + sequences > limits_.key_waiting)
        return refuse(fmt::format("this API key has {} sequences waiting, may have {} at once, and this request asks "
                                  "for {}",
                                  own.waiting, limits_.key_waiting, sequences),
                      "key_limit");
    const int64_t others = sequences - 1;  // those before its last one, which is held to the places that they leave
    if (limits_.shares > 1 && own.all() + others >= kShareOfFree * (places - all.all() - others))
        return refuse(fmt::format("the server is nearly full and this API key has {} sequences running or waiting; the "
                                  "places that are left are for other keys",
                                  own.all()),
                      "key_share");
    return std::nullopt;
}

int32_t Admission::most_sequences() const {
    const int64_t places = int64_t{limits_.streams} + limits_.waiting;
    int64_t most = places;
    if (limits_.key_streams > 0) most = std::min<int64_t>(most, limits_.key_streams);
    if (limits_.key_waiting > 0) most = std::min<int64_t>(most, limits_.key_waiting);
    // As in refusal(): others < kShareOfFree * (places - others).
    if (limits_.shares > 1) most = std::min(most, (kShareOfFree * places - 1) / (kShareOfFree + 1) + 1);
    return static_cast<int32_t>(most);
}

int32_t Admission::retry_after() {
    std::lock_guard lock(mutex_);
    return retry_after_locked();
}

int32_t Admission::retry_after_locked() {
    const double now = clock_();
    double oldest = now;
    int32_t count = 0;
    for (size_t i = 0; i < std::min(end_count_, ends_.size()); ++i) {
        if (ends_[i] < now - kRateSeconds) continue;
        oldest = std::min(oldest, ends_[i]);
        ++count;
    }
    const double spacing = count == 0 ? kUnknownWait : (now - oldest) / count;
    promised_until_ = std::min(std::max(promised_until_, now) + spacing, now + kLongestWait);
    return std::max(1, static_cast<int32_t>(std::ceil(promised_until_ - now)));
}

void Admission::change(uint32_t tenant, int32_t waiting, int32_t running, int32_t ends) {
    std::lock_guard lock(mutex_);
    change_locked(tenant, waiting, running, ends);
}

void Admission::change_locked(uint32_t tenant, int32_t waiting, int32_t running, int32_t ends) {
    Count& own = tenants_[tenant];
    for (Count* count : {&own, &all_}) count->waiting += waiting, count->running += running;
    if (own.all() == 0) tenants_.erase(tenant);
    for (int32_t i = 0; i < ends; ++i) ends_[end_count_++ % ends_.size()] = clock_();
}

}  // namespace hone::serve
