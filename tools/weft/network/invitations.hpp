// What a token lets its holder ask for, by the options of a command.
#pragma once

#include "protocol/network/invitation.hpp"
#include "tools/weft/commands/network_commands.hpp"

namespace weft {

/// Checked by itself; what the issuer has is for the issuer to look at.
outcome<invitation>
invitation_of(const network_options& options, const network_id& network,
              const verifying_key& token);

} // namespace weft
