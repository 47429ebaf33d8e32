// Who answers for names on this host, and who manages that.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace weft {

/// The `nameserver` lines of a file like resolv.conf(5), in its order; an
/// address may have a zone.  None if it cannot be read.
std::vector<std::string> read_name_servers(const std::string& file);

/// Where a host's name servers stand: what its programs read, and what the
/// programs write that answer there and ask others.
struct name_server_files {
  std::string host = "/etc/resolv.conf";
  std::vector<std::string> behind{"/run/systemd/resolve/resolv.conf",
                                  "/run/NetworkManager/no-stub-resolv.conf"};
};

/// The servers of this host's own links: those of /etc/resolv.conf but for
/// programs of this host, or where there are only such, those that one of them
/// is known to ask.  If none is known, the programs.
std::vector<std::string>
find_name_servers(const name_server_files& files = name_server_files{});

/// The servers that programs of this host get their answers from: those of
/// /etc/resolv.conf, or where that is systemd-resolved's stub, those that it
/// asks.  Nothing: another program of this host answers, and whom it asks is
/// not known.
std::optional<std::vector<std::string>>
name_servers_in_force(const name_server_files& files = name_server_files{});

/// Whether there are servers, and each is a program of this host (a loopback
/// address), which asks others as any program does: where all goes into a
/// tunnel, through that.
bool are_programs_of_host(const std::vector<std::string>& servers);

/// What to do about names of endpoints where that is so.
std::string only_programs_of_host();

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
