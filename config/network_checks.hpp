// What must hold in the sections `network` and `directory`, whatever their
// format.
#pragma once

#include "config/node_config.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// Called with a key below `network` or `directory` (`directory.store.etcd`;
/// the section's name alone: it is about all of it) and what is wrong with it.
using network_complaint
  = std::function<void(std::string_view key, std::string message)>;

/// Complains of values that no reader has seen, of keys without which a member
/// or a directory cannot be, and of a store that is none or two.
void check_network(const node_config& config,
                   const network_complaint& complain);

/// What is wrong with an endpoint for others to send to; nothing: it is fine.
std::optional<std::string> check_own_endpoint(const endpoint& where);

/// The node is a member of a network, or is to be.
bool has_network(const node_config& config);
/// The node is one of a network's directories, or is to be.
bool has_directory(const node_config& config);

/// Where the node's membership finds directories.  If it is one itself, that
/// one comes first, at an address of this host: neither a name server nor a
/// router that leads its public address back is needed.
std::vector<directory_address> directories_of(const node_config& config);

} // namespace weft
