#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>

namespace hone {

Status start_logging(std::string_view level) {
    const auto parsed = spdlog::level::from_str(std::string(level));
    if (parsed == spdlog::level::off && level != "off") {
        return error("log level '{}' is unknown; take debug, info, warn, error or off", level);
    }
    auto logger = std::make_shared<spdlog::logger>("hone", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    logger->set_pattern("%H:%M:%S.%e %^%-5l%$ %v");
    logger->set_level(parsed);
    spdlog::set_default_logger(std::move(logger));
    return ok();
}

}  // namespace hone
