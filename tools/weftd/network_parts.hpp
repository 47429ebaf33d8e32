// The node's part in a network, if its file has one: as a directory, and as a
// member; and the issuer, where no service manager runs it.
#pragma once

#include "actors/network/directory_keeper.hpp"
#include "actors/network/start_membership.hpp"
#include "actors/overlay/start_overlay.hpp"
#include "config/node_config.hpp"
#include "platform/file_descriptor.hpp"

#include <spdlog/logger.h>

#include <memory>
#include <string>
#include <vector>

namespace weft {

/// An issuer whose folder the file names instead of a socket: a program that
/// is started again whenever it ends, until this one does.
class issuer_companion {
public:
  /// Starts it, and puts its socket in the place of the folder.  Call it before
  /// privileges are given up.  `user`: that weftd acts as; may be empty.
  /// `notes` gets what is worth a line in the log.
  static issuer_companion start(node_config& config, const std::string& user,
                                std::vector<std::string>& notes);

  /// There is one that runs.
  bool is_there() const {
    return static_cast<bool>(way_);
  }

private:
  file_descriptor way_; ///< its end is the other one's
};

/// What start_network() needs of a configuration.
node_config network_part_of(const node_config& config);

/// Both live as long as this.
struct network_parts {
  directory_keeper directory;  ///< null: the node is none
  membership_actor membership; ///< null: the node is in no network
};

/// Whether the certificates and keys that start_network() needs can be read.
result<void> check_network(const node_config& config);

/// Starts what the file asks for.
result<network_parts>
start_network(caf::actor_system& system, const node_config& config,
              const running_overlay& running,
              const std::shared_ptr<spdlog::logger>& log);

/// Threads that it takes beside those of other nodes.
std::size_t network_threads(const node_config& config);

} // namespace weft
