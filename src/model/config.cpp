#include "model/config.h"

#include <cmath>
#include <limits>

#include <boost/json/value.hpp>

namespace hone::model {

const boost::json::value* ConfigReader::find(std::string_view field) const {
    const auto* value = object_.if_contains(field);
    return value && !value->is_null() ? value : nullptr;
}

bool ConfigReader::has(std::string_view field) const {
    return find(field) != nullptr;
}

void ConfigReader::fail(std::string message) {
    if (!failure_) failure_ = Error{fmt::format("{}: {}", where_, message)};
}

void ConfigReader::require(bool condition, std::string message) {
    if (!condition) fail(std::move(message));
}

Status ConfigReader::status() const {
    return failure_ ? Status(*failure_) : ok();
}

// Numbers may be written as 64 or 64.0; both are the whole number 64.
static std::optional<double> as_number(const boost::json::value& value) {
    if (value.is_int64()) return static_cast<double>(value.as_int64());
    if (value.is_uint64()) return static_cast<double>(value.as_uint64());
    if (value.is_double()) return value.as_double();
    return std::nullopt;
}

int32_t ConfigReader::count(std::string_view field, std::optional<int32_t> fallback, int32_t limit) {
    const auto* value = find(field);
    if (!value) {
        if (!fallback) fail(fmt::format("field '{}' is missing", field));
        return fallback.value_or(1);
    }
    const auto number = as_number(*value);
    if (!number || *number != std::floor(*number) || *number < 1 || *number > limit) {
        fail(fmt::format("field '{}' must be a whole number from 1 to {}", field, limit));
        return 1;
    }
    return static_cast<int32_t>(*number);
}

double ConfigReader::number(std::string_view field, std::optional<double> fallback) {
    const auto* value = find(field);
    if (!value) {
        if (!fallback) fail(fmt::format("field '{}' is missing", field));
        return fallback.value_or(1);
    }
    const auto number = as_number(*value);
    if (!number || !std::isfinite(*number)) {
        fail(fmt::format("field '{}' must be a number", field));
        return 1;
    }
    return *number;
}

float ConfigReader::positive(std::string_view field, std::optional<double> fallback) {
    using Limits = std::numeric_limits<float>;
    const double value = number(field, fallback);
    if (value >= Limits::min() && value <= Limits::max()) return static_cast<float>(value);
    fail(fmt::format("field '{}' must be a number above 0 in fp32's range", field));
    return 1;
}

bool ConfigReader::flag(std::string_view field, bool fallback) {
    const auto* value = find(field);
    if (!value) return fallback;
    if (!value->is_bool()) {
        fail(fmt::format("field '{}' must be true or false", field));
        return fallback;
    }
    return value->as_bool();
}

std::string ConfigReader::text(std::string_view field, std::string fallback) {
    const auto* value = find(field);
    if (!value) return fallback;
    if (!value->is_string()) {
        fail(fmt::format("field '{}' must be a string", field));
        return fallback;
    }
    return std::string(value->as_string());
}

std::vector<int32_t> ConfigReader::integers(std::string_view field) {
    const auto* value = find(field);
    if (!value) return {};
    std::vector<int32_t> list;
    if (value->is_array()) {
        for (const auto& element : value->as_array()) {
            const auto number = as_number(element);
            if (!number || *number != std::floor(*number) || std::abs(*number) > 0x7fffffff) break;
            list.push_back(static_cast<int32_t>(*number));
        }
    }
    if (!value->is_array() || list.size() != value->as_array().size()) {
        fail(fmt::format("field '{}' must be a list of whole numbers", field));
        return {};
    }
    return list;
}

std::vector<std::string> ConfigReader::texts(std::string_view field) {
    const auto* value = find(field);
    if (!value) return {};
    std::vector<std::string> list;
    if (value->is_array()) {
        for (const auto& element : value->as_array()) {
            if (!element.is_string()) break;
            list.emplace_back(element.as_string());
        }
    }
    if (!value->is_array() || list.size() != value->as_array().size()) {
        fail(fmt::format("field '{}' must be a list of strings", field));
        return {};
    }
    return list;
}

}  // namespace hone::model
