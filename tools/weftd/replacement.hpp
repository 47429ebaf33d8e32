// One weftd takes the place of another of the same interface, without a service
// manager: weftd --replace.
#pragma once

#include "actors/overlay/export_overlay.hpp"
#include "platform/unix_socket.hpp"

#include <caf/actor_system.hpp>
#include <spdlog/logger.h>

#include <functional>
#include <string>

namespace weft {

/// Where the node of an interface waits for its successor.
std::string
replacement_socket(const control_config& control, const std::string& interface);

/// The side of the node that runs.
class place_giver {
public:
  static result<place_giver> open(const std::string& socket);

  int descriptor() const {
    return listener_.descriptor();
  }
  /// Somebody has come: it takes the overlay's place, which has ended then, or
  /// it does not, and the overlay goes on.  Blocks for some seconds at most.
  /// Whether it has.  `let_go`, `process_ends`: as in export_overlay().
  bool serve(caf::actor_system& system, const overlay_actor& overlay,
             const std::function<void()>& let_go, bool process_ends,
             spdlog::logger& log);

private:
  explicit place_giver(unix_listener listener)
    : listener_(std::move(listener)) {
  }

  unix_listener listener_;
};

/// The side of the node that begins: what the one that served `socket` has
/// left.  It sends no more then, and is about to end (`await_end`); on failure
/// it goes on, also when `check` finds that this process could not go on with
/// it.  Asks again for some seconds while that one is busy.
result<imported_overlay>
take_place(const std::string& socket, const std::string& interface,
           const std::function<result<void>(const inherited_overlay&)>& check);

} // namespace weft
