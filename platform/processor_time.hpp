// The processor time that threads take.
#pragma once

#include "protocol/base/time.hpp"

#include <optional>

namespace weft {

/// What a thread of this process has used since it began, by the kernel's
/// number of it; nothing: there is none.
std::optional<duration> processor_time(int thread_number);

} // namespace weft
