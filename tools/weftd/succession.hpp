// Whether a node of this program can take another one's place, and how another
// process comes to take its own.
#pragma once

#include "tools/weftd/daemon.hpp"
#include "tools/weftd/replacement.hpp"

#include <memory>
#include <string>

namespace weft {

/// What a node with these options cannot take over from another process;
/// empty: it may try to.
std::string why_not_replacing(const daemon_options& options);

/// What this process needs beside what it is given, as far as that can be seen
/// while the node whose place it takes still carries packets.
result<void>
check_place(const node_config& network, std::size_t peers, bool has_metrics);

/// Whether another process can take the place of this one, which nothing binds
/// to it otherwise.
bool may_have_successor(const daemon_options& options);

/// Where that one comes to.
result<std::unique_ptr<place_giver>>
open_place(const daemon_options& options, const std::string& socket_folder,
           const std::string& interface);

} // namespace weft
