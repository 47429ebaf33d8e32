// Refusals of the network as failures of a command.
#pragma once

#include "protocol/network/refusal.hpp"
#include "tools/weft/failure.hpp"

namespace weft {

/// `used_up: the token has let in as many as it may`
system_error to_error(const refused& why);
failure to_failure(const refused& why);

} // namespace weft
