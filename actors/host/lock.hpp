// What of this host's traffic may leave beside the tunnel, as tables of
// nftables: text, for nft(8)'s language.  Nothing here touches the host.
//
// The lock (`kill_switch`) refuses all that leaves by any other interface than
// the device: by interface and not by route, since a DHCP server can send
// routes that are more specific; and without an exception for connections that
// were there before.
#pragma once

#include "config/node_config.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// How the tunnel's own packets are known.  Port 0: there are none, as the node
/// does not run.
struct tunnel_marks {
  std::uint32_t mark = 0; ///< of the sockets; 0: the port has to do
  std::uint16_t port = 0; ///< that they are bound to
};

struct lock_rules {
  std::string interface;
  tunnel_marks tunnel;
  bool keep_inbound = true;
  std::vector<ip_prefix> allow; ///< may be reached beside the tunnel
  std::vector<ip_address> dns;  ///< the only ones to be asked; empty: any
  /// Ports from here on are given to outgoing connections.
  std::uint16_t first_own_port = 1024;
  bool on_trial = false; ///< a node that starts anew lifts it
};

/// What the configuration wants.
lock_rules lock_of(const interface_config& config, tunnel_marks tunnel);

/// Names of tables.  The interface's is one that validate() lets through.
std::string lock_table(std::string_view interface);
std::string marks_table(std::string_view interface);

/// The interface of a table that lock_table() named; empty: it is another one.
std::string_view locked_interface(std::string_view table);
/// The same for marks_table().
std::string_view marked_interface(std::string_view table);

/// Whether the table of a lock, as it is listed, is of one on trial.
bool is_on_trial(std::string_view listed);

/// Commands that put the table of the lock in the place of the one before.
std::string lock_text(const lock_rules& rules);

/// The same for the table of a node whose packets bear a mark: what comes in
/// for the tunnel's port, and answers to its questions for addresses, get it
/// for the sake of rp_filter.  With `keep_inbound` connections from outside are
/// answered over the link that they came in by, as their packets bear it, too.
std::string marks_text(const lock_rules& rules);

} // namespace weft
