// Reading config.json: typed fields with their bounds; the first problem is kept and named, so that an architecture's
// config reader is a plain list of fields. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"

namespace hone::model {

class ConfigReader {
  public:
    // `object` outlives the reader; `where` names it in errors ("config.json").
    ConfigReader(const boost::json::object& object, std::string where) : object_(object), where_(std::move(where)) {}

    // A whole number in [1, limit] (fields that count things); `fallback` where the field is absent or null.
    int32_t count(std::string_view field, std::optional<int32_t> fallback = std::nullopt, int32_t limit = 1 << 24);
    // A finite number.
    double number(std::string_view field, std::optional<double> fallback = std::nullopt);
    // A number above 0 that fp32 holds as such.
    float positive(std::string_view field, std::optional<double> fallback = std::nullopt);
    bool flag(std::string_view field, bool fallback);
    std::string text(std::string_view field, std::string fallback);
    // A list of whole numbers; empty where absent or null.
    std::vector<int32_t> integers(std::string_view field);
    // A list of strings; empty where absent or null.
    std::vector<std::string> texts(std::string_view field);
    // Whether the field is there and not null.
    bool has(std::string_view field) const;

    // Notes a problem of the architecture's own finding ("num_experts_per_tok 9 is more than num_experts 8").
    void require(bool condition, std::string message);

    // The first problem met, prefixed by where it was.
    Status status() const;

  private:
    const boost::json::value* find(std::string_view field) const;
    void fail(std::string message);

    const boost::json::object& object_;
    std::string where_;
    std::optional<Error> failure_;
};

}  // namespace hone::model
