// What the manager of a host's name servers is told.
#pragma once

#include "platform/name_servers.hpp"
#include "platform/program.hpp"

#include <string>
#include <vector>

namespace weft {

/// Servers and domains of `interface.dns`.
struct dns_wish {
  std::vector<std::string> servers;
  std::vector<std::string> domains; ///< to search
  /// Whether every name is to be asked there: in a full tunnel, and where no
  /// domain says which are.
  bool everything = false;
};

dns_wish wish_for(const std::vector<std::string>& dns, bool is_full_tunnel);

/// How the manager is told, call after call.
std::vector<program_call>
calls_to_set(const dns_manager& by, const std::string& link,
             const dns_wish& wish);

/// How it is told to forget it.
program_call call_to_undo(const dns_manager& by, const std::string& link);

} // namespace weft
