// A process leaves what it has to the next one, which starts once it has ended.
#pragma once

#include "platform/process.hpp"

namespace weft {

struct caught_signal {
  int number = 0; ///< 0: none
  int value = 0;  ///< that its sender gave along (sigqueue(3))
};

/// The next one, as signal_watch::read() has it.
caught_signal next_signal(const signal_watch& from);

/// SIGTERM's value: the successor of this process starts once it has ended.
/// To a program that does not know it, it is a SIGTERM like any other.
inline constexpr int leave_to_successor = 1;

/// Exit code of a process that has left it all to the service manager.
inline constexpr int exit_left = 6;

} // namespace weft
