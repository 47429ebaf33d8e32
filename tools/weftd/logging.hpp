// The daemon's log.
#pragma once

#include "config/node_config.hpp"

#include <spdlog/logger.h>

#include <memory>

namespace weft {

/// Writes to standard error, as text or as one JSON object a line.  Nobody
/// waits for it: what is not read, or finds the disk full, is lost in the end,
/// and the log says how much.  The last lines are waited for for half a second
/// when the logger ends.
std::shared_ptr<spdlog::logger> make_logger(const log_config& config);

} // namespace weft
