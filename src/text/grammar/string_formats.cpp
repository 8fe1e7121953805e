#include "text/grammar/string_formats.h"

namespace hone::text {

static std::string full_date() {
    const std::string leap_year = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)";
    const std::string long_months = "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])";
    const std::string short_months = "(0[469]|11)-(0[1-9]|[12][0-9]|30)";
    const std::string february = "02-(0[1-9]|1[0-9]|2[0-8])";
    return "([0-9]{4}-(" + long_months + "|" + short_months + "|" + february + ")|" + leap_year + "-02-29)";
}

static std::string full_time() {
    const std::string hour_minute = "([01][0-9]|2[0-3]):[0-5][0-9]";
    return hour_minute + R"(:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-])" + hour_minute + ")";
}

// Years may be followed by months, months by days, and nothing may be left out between; so with times.
static std::string duration() {
    const auto chain = [](const std::string& units) {
        std::string rest, ways;
        for (auto unit = units.rbegin(); unit != units.rend(); ++unit) {
            rest = std::string("[0-9]{1,6}") + *unit + (rest.empty() ? "" : "(" + rest + ")?");
            ways += (ways.empty() ? "" : "|") + rest;
        }
        return "(" + ways + ")";
    };
    const std::string time = "T" + chain("HMS");
    return "P(" + chain("YMD") + "(" + time + ")?|" + time + "|[0-9]{1,6}W)";
}

static std::string hostname() {
    const std::string label = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
    return label + R"((\.)" + label + "){0,3}";
}

static std::string email() {
    const std::string atom = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}";
    return atom + R"((\.)" + atom + "){0,2}@" + hostname();
}

static std::string ipv4() {
    const std::string octet = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    return octet + R"((\.)" + octet + "){3}";
}

// Eight groups; or fewer with one "::"; the last two may be an ipv4 address where no group is left out, or nothing is in
// front but zeros.
static std::string ipv6() {
    const std::string group = "[0-9a-fA-F]{1,4}";
    std::string ways = "(" + group + ":){7}" + group;
    for (int before = 0; before <= 7; before++) {
        ways += "|";
        for (int i = 0; i < before; i++) ways += (i > 0 ? ":" : "") + group;
        ways += "::";
        if (before < 7) ways += "(" + group + "(:" + group + "){0," + std::to_string(6 - before) + "})?";
    }
    return ways + "|(" + group + ":){6}" + ipv4() + "|::([fF]{4}:)?" + ipv4();
}

static std::string uri(bool needs_scheme) {
    const std::string scheme = "[a-zA-Z][a-zA-Z0-9+.-]*:", sign = "[a-zA-Z0-9._~!$&'()*+,;=:@/-]|%[0-9a-fA-F]{2}";
    // The first part of a reference has no colon, or it would be a scheme.
    const std::string plain = "([a-zA-Z0-9._~!$&'()*+,;=@-]|%[0-9a-fA-F]{2})*";
    const std::string rest = R"((\?()" + sign + R"(|\?)*)?(#()" + sign + R"(|\?)*)?)";
    const std::string absolute = scheme + "(" + sign + ")*" + rest;
    return needs_scheme ? absolute : absolute + "|" + plain + "(/(" + sign + ")*)?" + rest;
}

std::optional<std::string> pattern_of_format(std::string_view format) {
    if (format == "date") return full_date();
    if (format == "time") return full_time();
    if (format == "date-time") return full_date() + "T" + full_time();
    if (format == "duration") return duration();
    if (format == "email") return email();
    if (format == "hostname") return hostname();
    if (format == "ipv4") return ipv4();
    if (format == "ipv6") return ipv6();
    if (format == "uri") return uri(true);
    if (format == "uri-reference") return uri(false);
    if (format == "uuid") return "[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}";
    if (format == "json-pointer") return "(/([^/~]|~[01])*)*";
    return std::nullopt;
}

}  // namespace hone::text
