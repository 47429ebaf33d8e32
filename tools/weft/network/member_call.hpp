// One question of a member to its network, asked of whichever directory
// answers: what a command asks for beside the membership that runs.
#pragma once

#include "config/network_config.hpp"
#include "platform/error.hpp"
#include "protocol/network/members.hpp"
#include "protocol/network/renewal.hpp"

#include <chrono>
#include <cstdint>
#include <vector>

namespace weft {

/// The certificates that a renewal came to, the member's own first (DER).
result<std::vector<byte_vector>>
ask_for_renewal(const network_config& member, const renewal_request& request,
                std::chrono::milliseconds patience);

enum class leave_outcome : std::uint8_t {
  left,        ///< the issuer has removed the member
  was_removed, ///< it had before
};
/// An error with ENOTCONN: no directory answered; another one: the network's
/// no.
result<leave_outcome>
ask_to_leave(const network_config& member, std::chrono::milliseconds patience);

} // namespace weft
