// Which system calls weftd makes.
#pragma once

#include "platform/error.hpp"

namespace weft {

/// Has all others fail with EPERM, and the kernel log them where it audits.
/// Needs no_new_privs or CAP_SYS_ADMIN.
result<void> filter_system_calls();

} // namespace weft
