// Users and groups of the system, for who may use a local socket.
#pragma once

#include "platform/error.hpp"

#include <sys/types.h>

#include <string>

namespace weft {

/// The user that this process acts as.
uid_t own_user();

/// The number of a group, given by name or by number.  A name is looked up in
/// the system's databases, which may take long: not on a loop.
result<gid_t> find_group(const std::string& name);

/// Whether the process at the other end of a Unix socket had `group` as its
/// group, or as one of its supplementary ones, when it connected
/// (SO_PEERCRED and SO_PEERGROUPS).
bool peer_has_group(int connection, gid_t group);

} // namespace weft
