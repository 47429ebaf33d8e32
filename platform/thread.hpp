// What a service thread does before its work.
#pragma once

#include <string>

namespace weft {

/// Names the calling thread (15 characters are kept) and blocks all signals
/// for it: they belong to the program's main thread, or to the host.
void enter_service_thread(const std::string& name);

} // namespace weft
