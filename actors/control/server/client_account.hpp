// What one client may cost, over all the connections that it has.
#pragma once

#include "actors/loop/line_limit.hpp"
#include "protocol/base/control_role.hpp"

namespace weft {

/// Of a user of this host, or of whoever has a certificate of one name, in one
/// role.
struct client_account {
  explicit client_account(control_role role)
    : requests(role == control_role::operate
                 ? token_bucket{2000, std::chrono::milliseconds{1}}
                 : token_bucket{40, std::chrono::milliseconds{50}}) {
  }

  /// Used by the gateway's loop only.
  token_bucket requests;
  /// Of the log.
  line_limit lines{100, std::chrono::milliseconds{200}};

  bool is_fresh(time_point now) const {
    return requests.is_full(now) && lines.is_fresh(now);
  }
};

} // namespace weft
