// One rendering in progress: the heap of its values, its budget, and the first thing that went wrong. Everything that
// computes with values takes a Rendering. The first failure wins; whoever fails returns at once (an undefined value,
// false, an empty text), and loops stop because next() and spend() say false. One thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "text/chat/heap.h"
#include "text/chat/template_error.h"
#include "text/chat/value.h"

namespace hone::text {

// What one rendering may use. A template that needs more fails with a BudgetError; none can run or grow without end.
struct RenderLimits {
    uint64_t steps = 20'000'000;  // one per expression, statement, element visited and 64 bytes of text looked at
    size_t text_bytes = size_t{64} << 20;    // one string, and the output
    size_t value_bytes = size_t{256} << 20;  // all values together
    uint32_t depth = 1000;                   // nested statements, expressions, macro calls and values
};

}  // namespace hone::text

namespace hone::text::chat {

class Rendering {
  public:
    explicit Rendering(const RenderLimits& limits) : limits_(limits) {}
    Rendering(const Rendering&) = delete;
    Rendering& operator=(const Rendering&) = delete;

    bool failed() const { return failure_.has_value(); }
    const Failure& failure() const { return *failure_; }

    template <class... Args>
    Value fail(ErrorClass error_class, fmt::format_string<Args...> format, Args&&... args) {
        if (!failed()) fail_with(error_class, fmt::format(format, std::forward<Args>(args)...));
        return nothing();
    }
    Value fail_with(ErrorClass error_class, std::string message);
    // Using an undefined value: the message says what was not there.
    Value fail_undefined(const Value& value);

    // Takes `steps` from the budget; false if something has failed, this included.
    bool spend(uint64_t steps = 1) {
        steps_ += steps;
        if (steps_ > limits_.steps) [[unlikely]]
            return fail_steps();
        return !failed();
    }
    bool spend_on_text(size_t bytes) { return spend(1 + bytes / 64); }

    // Whether a text of this size may be made; asked before the bytes are allocated.
    bool admit_text(size_t bytes) {
        if (bytes > limits_.text_bytes) [[unlikely]]
            return fail_size("text", limits_.text_bytes);
        return spend_on_text(bytes);
    }
    // The same for `added` bytes behind `present` ones.
    bool admit_append(size_t present, size_t added) {
        if (present + added > limits_.text_bytes) [[unlikely]]
            return fail_size("text", limits_.text_bytes);
        return spend_on_text(added);
    }
    // Whether `count` values may be made.
    bool admit_values(size_t count) {
        if (count > limits_.value_bytes / sizeof(Value)) [[unlikely]]
            return fail_size("values", limits_.value_bytes);
        return spend(count);
    }

    // Memory for values. What has been taken too much shows in the next spend().
    Heap& heap() {
        if (heap_.reserved_bytes() > limits_.value_bytes) [[unlikely]]
            fail_size("values", limits_.value_bytes);
        return heap_;
    }

    Value text(std::string_view text, bool is_markup = false);
    // `text` is already in this heap, in the template or in the context.
    static Value shared_text(std::string_view text, bool is_markup = false) { return Value::string(text, is_markup); }
    Value list(const std::vector<Value>& items);
    Value tuple(const std::vector<Value>& items);
    Value undefined_hint(std::string_view hint);
    Value undefined_attribute(const Value& object, const Value& name);
    Value unsafe_attribute(const Value& object, std::string_view name);
    // Of entries with equal keys the first place and the last value count, unless the caller knows that there are none.
    Value dict(const std::vector<Entry>& entries, bool has_unique_texts_as_keys = false);
    Value iterator(bool (*advance)(Rendering&, Iterator&, Value&), const Value& source, std::string_view type_name,
                   const void* plan = nullptr);
    // What a failed computation returns.
    static Value nothing() { return Value::none(); }

    // left ~ right. Where `left` ends in the free end of a recent result, the bytes of `right` are added behind it, so
    // that a text that a loop makes longer bit by bit costs its length, not its square.
    Value concatenate(std::string_view left, std::string_view right, bool is_markup);

    const RenderLimits& limits() const { return limits_; }
    uint64_t steps_used() const { return steps_; }

    uint32_t line = 0;   // of the expression being evaluated
    uint32_t depth = 0;  // kept by Deeper
    bool autoescape = false;
    std::optional<std::chrono::local_seconds> clock;  // what strftime_now reads instead of the local time

  private:
    bool fail_steps();
    bool fail_size(std::string_view what, size_t limit);

    struct OpenText {
        char* end = nullptr;
        size_t free_bytes = 0;
    };
    static constexpr size_t kOpenTexts = 4;
    static constexpr size_t kSmallestOpenText = 2048;

    RenderLimits limits_;
    Heap heap_;
    std::optional<Failure> failure_;
    uint64_t steps_ = 0;
    OpenText open_texts_[kOpenTexts];
    size_t oldest_open_text_ = 0;
};

// One level of recursion, in values or in the evaluator; too many are a RecursionError.
class Deeper {
  public:
    explicit Deeper(Rendering& rendering) : rendering_(rendering) {
        if (++rendering.depth > rendering.limits().depth) [[unlikely]]
            rendering.fail(ErrorClass::recursion, "more than {} levels deep", rendering.limits().depth);
    }
    ~Deeper() { --rendering_.depth; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

    bool is_allowed() const { return !rendering_.failed(); }

  private:
    Rendering& rendering_;
};

}  // namespace hone::text::chat
