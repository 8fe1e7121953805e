#include "text/chat/globals.h"

#include <algorithm>
#include <chrono>
#include <ctime>

#include "text/chat/native.h"
#include "text/chat/objects.h"
#include "text/chat/python_text.h"

namespace hone::text::chat {

namespace {

constexpr Integer kLargestRange = 100000;  // of Jinja's sandbox

Value range(Rendering& rendering, const Value&, const Arguments& arguments) {
    if (arguments.positional.empty() || arguments.positional.size() > 3 || !arguments.keyword.empty())
        return rendering.fail(ErrorClass::type, "range expected 1 to 3 arguments, got {}", arguments.positional.size());
    Integer bounds[3] = {0, 0, 1};
    size_t first = arguments.positional.size() == 1 ? 1 : 0;
    for (size_t i = 0; i < arguments.positional.size(); ++i)
        bounds[first + i] = integer_argument(rendering, arguments.positional[i], 1);
    auto [start, stop, step] = bounds;
    if (step == 0) return rendering.fail(ErrorClass::value, "range() arg 3 must not be zero");
    constexpr Integer kFar = Integer{1} << 100;  // so that the size below cannot overflow
    for (Integer bound : bounds)
        if (bound > kFar || bound < -kFar) return rendering.fail(ErrorClass::overflow, "range() argument too large");
    Integer distance = step > 0 ? stop - start : start - stop, stride = step > 0 ? step : -step;
    Integer size = distance <= 0 ? 0 : (distance + stride - 1) / stride;
    if (size > kLargestRange)
        return rendering.fail(ErrorClass::overflow,
                              "Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).",
                              integer_text(kLargestRange));
    return Value::range(rendering.heap().make<Range>(Range{start, stop, step, static_cast<size_t>(size)}));
}

// The entries of dict(mapping or pairs, **keyword); false if it failed.
bool read_entries(Rendering& rendering, const Arguments& arguments, std::vector<Entry>& entries) {
    if (arguments.positional.size() > 1) {
        rendering.fail(ErrorClass::type, "dict expected at most 1 argument, got {}", arguments.positional.size());
        return false;
    }
    for (const Value& source : arguments.positional) {
        if (source.is(Kind::undefined)) return rendering.fail_undefined(source), false;
        if (source.is(Kind::dict)) {
            entries.assign(source.dict().entries.begin(), source.dict().entries.end());
            continue;
        }
        for (const Value& element : elements(rendering, source)) {
            std::vector<Value> pair = elements(rendering, element);
            if (pair.size() != 2) {
                rendering.fail(ErrorClass::value, "dictionary update sequence element has length {}; 2 is required",
                               pair.size());
                return false;
            }
            entries.push_back({pair[0], pair[1]});
        }
    }
    for (const Keyword& argument : arguments.keyword) entries.push_back({Value::string(argument.name), argument.value});
    return !rendering.failed();
}

Value dict(Rendering& rendering, const Value&, const Arguments& arguments) {
    std::vector<Entry> entries;
    if (!read_entries(rendering, arguments, entries)) return rendering.nothing();
    return rendering.dict(entries);
}

Value name_space(Rendering& rendering, const Value&, const Arguments& arguments) {
    std::vector<Entry> entries;
    if (!read_entries(rendering, arguments, entries)) return rendering.nothing();
    Value unique = rendering.dict(entries);
    if (rendering.failed()) return rendering.nothing();
    if (entries.size() > Namespace::kMostAttributes)
        return rendering.fail(ErrorClass::budget, "a namespace of more than {} attributes", Namespace::kMostAttributes);
    auto* space = rendering.heap().make<Namespace>();
    for (const Entry& entry : unique.dict().entries) {
        if (entry.key.is(Kind::string) && entry.key.text().starts_with('_'))
            return rendering.fail(
                ErrorClass::security,
                "Chat templates cannot store underscore-prefixed attributes on a namespace, but got {}. Please "
                "rename the attribute.",
                python_quoted(entry.key.text()));
        if (entry.key.is(Kind::string)) space->set(rendering.heap(), entry.key, entry.value);
    }
    return Value::object(Kind::name_space, space);
}

Value cycler(Rendering& rendering, const Value&, const Arguments& arguments) {
    if (arguments.positional.empty())
        return rendering.fail(ErrorClass::runtime, "at least one item has to be provided");
    std::vector<Value> items(arguments.positional.begin(), arguments.positional.end());
    return Value::object(Kind::cycler, rendering.heap().make<Cycler>(Cycler{rendering.heap().copy(items)}));
}

Value joiner(Rendering& rendering, const Value&, const Arguments& arguments) {
    Value separator = is_given(arguments.positional[0]) ? arguments.positional[0] : Value::string(", ");
    return Value::object(Kind::joiner, rendering.heap().make<Joiner>(Joiner{separator}));
}

Value raise_exception(Rendering& rendering, const Value&, const Arguments& arguments) {
    return rendering.fail_with(ErrorClass::refusal, std::string(to_str(rendering, arguments.positional[0])));
}

std::tm calendar_time(const std::optional<std::chrono::local_seconds>& clock) {
    std::tm time = {};
    std::time_t seconds = clock ? clock->time_since_epoch().count() : std::time(nullptr);
    // A local time given from outside is read as it stands.
    if (clock)
        gmtime_r(&seconds, &time);
    else
        localtime_r(&seconds, &time);
    return time;
}

// datetime.now().strftime(format): the C library's, with nothing for the time zone and no microseconds.
Value strftime_now(Rendering& rendering, const Value&, const Arguments& arguments) {
    std::string_view given = text_argument(rendering, arguments.positional[0], "");
    if (given.find('\0') != given.npos) return rendering.fail(ErrorClass::value, "embedded null character");
    constexpr size_t kLongestFormat = 1000, kLongestResult = 16000;
    if (given.size() > kLongestFormat)
        return rendering.fail(ErrorClass::value, "a date format of more than {} bytes", kLongestFormat);
    std::string format;
    for (size_t at = 0; at < given.size(); ++at) {
        bool is_conversion = given[at] == '%' && at + 1 < given.size();
        char conversion = is_conversion ? given[++at] : '\0';
        if (!is_conversion)
            format += given[at];
        else if (conversion == 'f')
            format += "000000";
        else if (conversion != 'z' && conversion != 'Z')
            (format += '%') += conversion;
    }
    if (format.empty()) return Value::string("");
    std::tm time = calendar_time(rendering.clock);
    std::string out(kLongestResult, '\0');
    size_t size =
        std::strftime(out.data(), out.size(), (format + ".").c_str(), &time);  // never empty, so 0 is a failure
    if (size == 0) return rendering.fail(ErrorClass::value, "a date of more than {} bytes", kLongestResult);
    return rendering.text(std::string_view(out).substr(0, size - 1));
}

constexpr Native kGlobals[] = {
    {"cycler", {}, 0, cycler, true},
    {"dict", {}, 0, dict, true},
    {"joiner", {"sep"}, 0, joiner},
    {"namespace", {}, 0, name_space, true},
    {"raise_exception", {"message"}, 1, raise_exception},
    {"range", {}, 0, range, true},
    {"strftime_now", {"format"}, 1, strftime_now},
};

}  // namespace

Value find_global(std::string_view name) {
    auto* found = std::find_if(std::begin(kGlobals), std::end(kGlobals),
                               [&](const Native& global) { return global.name == name; });
    return found == std::end(kGlobals) ? Value() : Value::object(Kind::function, found);
}

}  // namespace hone::text::chat
