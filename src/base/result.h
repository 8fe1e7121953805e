// Result<T>: the value, or the reason why there is none, for failures of the world (a file, a request, a peer).
// Our own mistakes abort instead (base/check.h). An Error's message names the file, tensor, field or flag and what to
// do.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "base/check.h"

namespace hone {

struct Error {
    std::string message;

    // The same error seen from further out: "config.json: missing field".
    Error within(std::string_view context) const { return {fmt::format("{}: {}", context, message)}; }
};

template <class... Args>
Error error(fmt::format_string<Args...> format, Args&&... args) {
    return {fmt::format(format, std::forward<Args>(args)...)};
}

template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error failure) : state_(std::in_place_index<1>, std::move(failure)) {}

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& value() & {
        CHECK(ok(), "value of a failed result: {}", std::get<1>(state_).message);
        return std::get<0>(state_);
    }
    const T& value() const& { return const_cast<Result*>(this)->value(); }
    T&& value() && { return std::move(value()); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    const Error& error() const {
        CHECK(!ok(), "error of a result that succeeded");
        return std::get<1>(state_);
    }

  private:
    std::variant<T, Error> state_;
};

// Success without a value: `Status save(...)`; return `ok()` or an Error.
class [[nodiscard]] Status {
  public:
    Status() = default;
    Status(Error failure) : failure_(std::move(failure)) {}

    bool ok() const { return !failure_; }
    explicit operator bool() const { return ok(); }
    const Error& error() const {
        CHECK(!ok(), "error of a status that is ok");
        return *failure_;
    }

  private:
    std::optional<Error> failure_;
};

inline Status ok() {
    return {};
}

}  // namespace hone
