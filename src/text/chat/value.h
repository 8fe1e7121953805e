// The values of a template: what Python's objects are to Jinja. A Value is 24 trivially copyable bytes; strings, lists
// and dictionaries point into a Heap, the template's source or the caller's context and never change (the sandbox of
// the reference environment is immutable), so values are shared freely inside one rendering. Only namespaces, iterators
// and loops have state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "text/chat/heap.h"

namespace hone::text::chat {

// Integers are exact up to 127 bits; an operation that leaves them is an OverflowError (Python has no limit).
__extension__ using Integer = __int128;

enum class Kind : uint8_t {
    missing,  // no value at all: an unset variable, an argument that was not given
    undefined,
    none,
    boolean,
    integer,
    real,
    string,
    list,
    tuple,
    dict,
    range,
    view,      // dict.keys(), values(), items()
    iterator,  // what map, select and other lazy filters return
    name_space,
    macro,
    loop,
    method,    // bound to its object
    function,  // a global such as range
    cycler,
    joiner,
    template_blocks,  // `self`
    block,            // self.NAME
};

class Rendering;
struct Undefined;
struct Dict;
struct Range;
struct DictView;
struct Iterator;
struct Namespace;
struct Macro;
struct Loop;
struct BoundMethod;
struct Native;
struct Cycler;
struct Joiner;
struct BlockSyntax;

class Value {
  public:
    constexpr Value() : low_(0) {}

    static constexpr Value none() { return Value(Kind::none); }
    static constexpr Value boolean(bool truth) {
        Value value(Kind::boolean);
        value.low_ = truth;
        return value;
    }
    static constexpr Value integer(Integer number) {
        Value value(Kind::integer);
        value.low_ = static_cast<uint64_t>(number);
        value.high_ = static_cast<uint64_t>(number >> 64);
        return value;
    }
    static constexpr Value real(double number) {
        Value value(Kind::real);
        value.real_ = number;
        return value;
    }
    // Markup is a string that needs no more escaping.
    static constexpr Value string(std::string_view text, bool is_markup = false) {
        Value value(Kind::string);
        value.pointer_ = text.data();
        value.high_ = text.size();
        value.flag_ = is_markup;
        return value;
    }
    static constexpr Value list(std::span<const Value> items) { return sequence(Kind::list, items); }
    static constexpr Value tuple(std::span<const Value> items) { return sequence(Kind::tuple, items); }
    // The pair (grouper, list) of the filter groupby.
    static constexpr Value group(std::span<const Value> items) {
        Value value = sequence(Kind::tuple, items);
        value.flag_ = true;
        return value;
    }
    static Value undefined(const Undefined* reason) { return Value(Kind::undefined, reason); }
    static Value dict(const Dict* dict) { return Value(Kind::dict, dict); }
    static Value range(const Range* range) { return Value(Kind::range, range); }
    // An object with a kind of its own: `object` must be what object<T>() of this kind reads.
    static Value object(Kind kind, const void* object) { return Value(kind, object); }

    constexpr Kind kind() const { return kind_; }
    constexpr bool is(Kind kind) const { return kind_ == kind; }
    constexpr bool is_number() const { return kind_ == Kind::integer || kind_ == Kind::real || kind_ == Kind::boolean; }
    constexpr bool is_integral() const { return kind_ == Kind::integer || kind_ == Kind::boolean; }
    constexpr bool is_sequence() const { return kind_ == Kind::list || kind_ == Kind::tuple; }
    constexpr bool is_markup() const { return kind_ == Kind::string && flag_; }
    constexpr bool is_group() const { return kind_ == Kind::tuple && flag_; }

    // Each of these is for its own kind only; integer() reads booleans too.
    constexpr bool truth() const { return low_ != 0; }
    constexpr Integer integer() const {
        if (kind_ == Kind::boolean) return static_cast<Integer>(low_);
        return static_cast<Integer>((static_cast<unsigned __int128>(high_) << 64) | low_);
    }
    constexpr double real() const { return real_; }
    constexpr std::string_view text() const { return {static_cast<const char*>(pointer_), high_}; }
    constexpr std::span<const Value> items() const { return {static_cast<const Value*>(pointer_), high_}; }
    template <class T>
    T* object() const {
        return static_cast<T*>(const_cast<void*>(pointer_));
    }
    const Undefined& undefined() const { return *object<const Undefined>(); }
    const Dict& dict() const { return *object<const Dict>(); }
    const Range& range() const { return *object<const Range>(); }

    // The same object in memory, Python's `is`.
    bool is_same_as(const Value& other) const {
        return kind_ == other.kind_ && low_ == other.low_ &&
               (high_ == other.high_ || kind_ < Kind::integer || kind_ > Kind::tuple);
    }

  private:
    explicit constexpr Value(Kind kind) : low_(0), kind_(kind) {}
    Value(Kind kind, const void* object) : pointer_(object), kind_(kind) {}
    static constexpr Value sequence(Kind kind, std::span<const Value> items) {
        Value value(kind);
        value.pointer_ = items.data();
        value.high_ = items.size();
        return value;
    }

    union {
        uint64_t low_;
        double real_;
        const void* pointer_;
    };
    uint64_t high_ = 0;
    Kind kind_ = Kind::missing;
    bool flag_ = false;
};
static_assert(sizeof(Value) == 24 && std::is_trivially_copyable_v<Value>);

enum class ErrorClass : uint8_t;

// Why something is undefined; the message is made when somebody uses it.
struct Undefined {
    std::string_view hint;   // the whole message, if not empty
    Value object = Value();  // that lacks `name`; missing: `name` is a variable
    Value name = Value();
    bool is_unsafe = false;  // using it is a SecurityError instead of an UndefinedError
};

struct Entry {
    Value key, value;
};

// Entries in the order of insertion; `index` is a hash table of entry numbers plus one, absent for small ones.
struct Dict {
    std::span<const Entry> entries;
    std::span<const uint32_t> index;

    const Value* find(std::string_view key) const;
};

struct Range {
    Integer start, stop, step;
    size_t size;

    Integer at(size_t index) const { return start + step * static_cast<Integer>(index); }
};

struct DictView {
    enum class Part : uint8_t { keys, values, items } part;
    const Dict* dict;
};

// Where a walk over an iterable value stands.
struct Cursor {
    Value source;
    size_t position = 0;  // index, or bytes in a string

    // The next element; false at the end and after a failure.
    bool next(Rendering& rendering, Value& out);
};

// A lazy sequence, consumed once: `advance` makes the next element.
struct Iterator {
    bool (*advance)(Rendering&, Iterator&, Value& out);
    Cursor source;
    std::string_view type_name;
    const void* plan = nullptr;  // of whoever made it
};

struct Namespace {
    static constexpr size_t kMostAttributes = 1000;  // they are searched one by one

    std::span<Entry> entries;  // the first `size` are used
    size_t size = 0;

    Value* find(std::string_view name);
    void set(Heap& heap, Value name, Value value);
};

struct BoundMethod {
    Value self;
    const Native* native;
};

struct Cycler {
    std::span<const Value> items;
    size_t position = 0;
};

struct Joiner {
    Value separator;
    bool is_used = false;
};

struct Keyword {
    std::string_view name;
    Value value;
};

struct Arguments {
    std::span<const Value> positional = {};
    std::span<const Keyword> keyword = {};
};

// A function, filter, test or method written here. With `is_variadic` it gets the arguments as they were given; else
// exactly one positional argument per parameter, missing where an optional one was left out.
struct Native {
    static constexpr size_t kMostParameters = 5;

    std::string_view name;
    std::array<std::string_view, kMostParameters> parameters = {};  // unused ones are empty
    size_t required = 0;
    Value (*function)(Rendering&, const Value& self, const Arguments&) = nullptr;
    bool is_variadic = false;
};

// type(value).__name__ in Python.
std::string_view type_name(const Value& value);
bool is_true(const Value& value);
// len(value), or nothing if it has none. Strings count code points.
std::optional<size_t> length(const Value& value);

uint64_t hash_text(std::string_view text);

}  // namespace hone::text::chat
