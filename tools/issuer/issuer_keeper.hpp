// Has an issuer run where no service manager does.
#pragma once

#include "platform/process.hpp"

#include <spdlog/logger.h>

#include <chrono>
#include <string>
#include <vector>

namespace weft {

/// Between its end and its next start: twice as long each time, and again the
/// shortest once it has run for the longest.
inline constexpr std::chrono::seconds shortest_issuer_pause{1};
inline constexpr std::chrono::seconds longest_issuer_pause{60};

/// Starts the program `words`, and starts it again whenever it has ended, which
/// the log gets to know; until a signal to end comes or `parent` is at its end,
/// a descriptor that is another program's to close.  The program's standard
/// input ends then, too, and also if this process is killed.
result<void>
keep_issuer(const std::vector<std::string>& words, const signal_watch& signals,
            int parent, spdlog::logger& log);

} // namespace weft
