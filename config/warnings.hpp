// What is no mistake in a configuration, but hardly what was meant.
#pragma once

#include "config/node_config.hpp"
#include "config/validate.hpp"

#include <span>
#include <string>
#include <vector>

namespace weft {

/// What should be looked at, in the order of the file's keys: fields are called
/// as in the file, `peers[2].endpoint`.  Files and groups that the
/// configuration names are not looked for.
std::vector<field_error> find_warnings(const node_config& config);

/// Those of `prefixes` that no route of the interface leads to, or to a part
/// only: a sentence each.  Its routes are cluster_networks, the networks of its
/// own addresses, and `more`; with automatic routes there is one to each.
std::vector<std::string> find_unrouted(const interface_config& interface,
                                       std::span<const ip_prefix> prefixes,
                                       std::span<const ip_prefix> more = {});

} // namespace weft
