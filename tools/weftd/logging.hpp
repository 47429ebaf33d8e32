// The daemon's log.
#pragma once

#include "config/node_config.hpp"

#include <spdlog/logger.h>

#include <memory>

namespace weft {

/// Writes to standard error, as text or as one JSON object a line.
std::shared_ptr<spdlog::logger> make_logger(const log_config& config);

} // namespace weft
