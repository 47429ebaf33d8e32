// The sessions of a node outlive a restart of its unit: the process that ends
// leaves them to the service manager, which passes them to the next one.
#pragma once

#include "actors/overlay/start_overlay.hpp"
#include "platform/service_manager.hpp"

#include <caf/actor_system.hpp>
#include <spdlog/logger.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// What of a file an overlay does not leave itself, as YAML without keys.
std::string rest_of_file(const node_config& config);

/// What the process that ends leaves an overlay with.
struct leaving_process {
  std::string rest; ///< of the file that it was started with
  /// Ends what else is served, while packets still go their way.
  std::function<void()> end_services;
  bool ends_at_once = false; ///< by _exit(2): peers need not end before
};

/// The side of the process that ends, come what may.  Blocks for some seconds
/// at most.  True: the overlay has ended, and the next process may go on with
/// it; else it goes on itself, and the log says why.
bool leave_node(caf::actor_system& system, const overlay_actor& overlay,
                const leaving_process& process, spdlog::logger& log);

/// The side of the process that begins, whose file has mistakes: what the one
/// before has left of its own.  `file`: for relative names.
std::optional<node_config>
take_rest_of_file(std::vector<named_descriptor>& passed,
                  const std::string& file);

/// The side of the process that begins: what the one before has left, of what
/// the service manager has `passed`; nothing: there is none, or none that
/// `check` takes, as the log says.  Nobody is passed any of it once more, and
/// what of it is not gone on with is free: blocks for some seconds at most.
/// `wanted`: what the file says.
std::optional<inherited_overlay> take_stored_node(
  std::vector<named_descriptor> passed, const interface_config& wanted,
  const std::function<result<void>(const inherited_overlay&)>& check,
  spdlog::logger& log);

} // namespace weft
