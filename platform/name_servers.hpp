// Who answers for names on this host, and who manages that.
#pragma once

#include <string>
#include <vector>

namespace weft {

/// The `nameserver` lines of a file like resolv.conf(5), in its order; an
/// address may have a zone.  None if it cannot be read.
std::vector<std::string> read_name_servers(const std::string& file);

/// The servers of this host's own links: those of /etc/resolv.conf, or where
/// that is a stub of systemd-resolved's, those that it asks.
std::vector<std::string> find_name_servers();

/// What a host's servers are changed with.  Nobody writes /etc/resolv.conf but
/// those.
struct dns_manager {
  enum class kind { none, resolved, resolvconf };

  kind what = kind::none;
  std::string program; ///< with its path
  /// Of the names of records: Debian's resolvconf knows by it that they are a
  /// tunnel's.
  std::string record_prefix;
};

/// systemd-resolved, if its stub is what /etc/resolv.conf names; else
/// resolvconf(8), unless that is only systemd-resolved under another name.
dns_manager find_dns_manager();

/// What to do about a host that has none.
std::string no_dns_manager();

} // namespace weft
