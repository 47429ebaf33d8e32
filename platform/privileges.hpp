// What this process may do, reduced to what it needs.  All of it is for the
// calling thread and those that it starts later: call it before any starts.
#pragma once

#include "platform/error.hpp"

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace weft {

struct privilege_options {
  /// UDP or TCP ports below 1024 are to be opened (CAP_NET_BIND_SERVICE).
  bool low_ports = false;
  /// Are read now and later.  Only if one of them is not readable otherwise,
  /// as it is another user's, the process may read any file
  /// (CAP_DAC_READ_SEARCH).  With `user` it is told which are not readable.
  std::vector<std::string> files;
  /// Owns sockets of this process: it becomes one of its groups, so that it
  /// need not be allowed to give files away (CAP_CHOWN); that it keeps only
  /// where it may not change its groups.
  std::optional<gid_t> group;
  /// To act as from now on, by name or by number; empty: as before.
  std::string user;
  /// Only what weftd uses of the kernel; anything else fails with EPERM.
  bool filter_system_calls = false;
};

/// The user of this name or number.
result<uid_t> find_user(const std::string& user);

/// Keeps CAP_NET_ADMIN and what the options ask for, as far as the process
/// has it, and CAP_IPC_LOCK where the limit of locked memory could not be
/// raised (protect_memory()), for good: the other capabilities are given up in
/// all sets, and no program that it might start could have more (no_new_privs).
/// Returns what is worth a line in the log.  It fails only where the user or
/// the filter cannot be had: then there is less protection than was asked for.
result<std::vector<std::string>>
reduce_privileges(const privilege_options& options);

} // namespace weft
