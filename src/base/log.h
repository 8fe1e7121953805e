// Log lines on stderr. LOG_INFO("loaded {} tensors", n). Any thread may log; the level is set once at start.
#pragma once

#include <string_view>

#include <spdlog/spdlog.h>

#include "base/result.h"

#define LOG_DEBUG(...) ::spdlog::debug(__VA_ARGS__)
#define LOG_INFO(...) ::spdlog::info(__VA_ARGS__)
#define LOG_WARN(...) ::spdlog::warn(__VA_ARGS__)
#define LOG_ERROR(...) ::spdlog::error(__VA_ARGS__)

namespace hone {

// Sends log lines to stderr at `level`: debug, info, warn, error or off.
Status start_logging(std::string_view level);

}  // namespace hone
