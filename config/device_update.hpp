// A change to a running device: what UAPI `set=1` says, what the difference
// of two configurations comes to, and what control clients ask for.
#pragma once

#include "config/node_config.hpp"

namespace weft {

struct allowed_ip_change {
  ip_prefix prefix;
  bool remove = false;

  bool operator==(const allowed_ip_change&) const = default;
};

/// One peer's part.  Fields that are absent stay as they are.
struct peer_update {
  weft::public_key public_key;
  bool remove = false;
  bool update_only = false; ///< nothing happens if the peer does not exist
  bool replace_allowed_ips = false;
  std::optional<std::string> name;
  std::optional<weft::preshared_key> preshared_key; ///< all zero: none
  std::optional<endpoint_config> endpoint;
  std::optional<std::chrono::seconds> persistent_keepalive;
  std::vector<allowed_ip_change> allowed_ips; ///< in order

  bool operator==(const peer_update&) const = default;
};

struct device_update {
  std::optional<weft::private_key> private_key; ///< all zero: cleared
  std::optional<std::uint16_t> listen_port;     ///< 0: the kernel chooses
  std::optional<std::uint32_t> fwmark;
  bool replace_peers = false;
  std::vector<peer_update> peers; ///< in order

  bool operator==(const device_update&) const = default;
};

} // namespace weft
