// What a service thread does before its work, and whether there is room for it.
#pragma once

#include "platform/error.hpp"

#include <cstddef>
#include <string>

namespace weft {

/// Names the calling thread (15 characters are kept) and blocks all signals
/// for it: they belong to the program's main thread, or to the host.
void enter_service_thread(const std::string& name);

/// Whether `count` more threads can run now: starts them and ends them again.
/// CAF does not survive it when it gets none for an actor system, which a limit
/// on processes or on memory is enough for.
result<void> check_threads(std::size_t count);

} // namespace weft
