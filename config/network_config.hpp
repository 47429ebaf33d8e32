// A node's part in a network that runs itself: as a member, and as one of its
// directories.  docs/network.md has the words.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/network/places.hpp"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace weft {

/// Of a member.
struct network_config {
  std::string name;        ///< the network's; empty: the node is in none
  std::string root;        ///< PEM files, as those that follow
  std::string certificate; ///< its own, then its issuer's
  std::string key;         ///< of its certificate
  std::vector<directory_address> directories; ///< tried in turn
  std::vector<endpoint> endpoints; ///< of its own that others get to see
  /// Which kinds of its addresses others get to see.
  std::set<endpoint_source> publish{
    endpoint_source::file, endpoint_source::link, endpoint_source::seen};
  std::vector<ip_prefix> accept_prefixes; ///< of others, beside the ranges
  bool relay = false;                     ///< passes on what is sealed

  bool operator==(const network_config&) const = default;
};

/// Where a directory keeps what it knows.
struct store_config {
  std::string file;              ///< SQLite's; empty: etcd
  std::vector<std::string> etcd; ///< URLs
  std::string user;              ///< of etcd; empty: none
  std::string password_file;
  std::string authority; ///< PEM, of https; empty: the system's

  bool operator==(const store_config&) const = default;
};

/// Of a directory.
struct directory_config {
  store_config store;
  std::optional<endpoint> listen; ///< nothing: the node is no directory
  std::string certificate;        ///< PEM files: its own, then its issuer's
  std::string key;
  std::string issuer; ///< the socket of one on this machine; empty: none

  bool operator==(const directory_config&) const = default;
};

} // namespace weft
