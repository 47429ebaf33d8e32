// Where the actors of a loop have time and chance from.
#pragma once

#include "platform/clock.hpp"
#include "platform/random.hpp"

#include <memory>

namespace weft {

/// The host's, unless a test has its own.  Loops on several threads may share
/// them.
struct loop_sources {
  std::shared_ptr<loop_clock> clock = std::make_shared<host_clock>();
  std::shared_ptr<random_source> random = std::make_shared<system_random>();
};

} // namespace weft
