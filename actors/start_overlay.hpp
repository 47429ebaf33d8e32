// The way in: from a configuration to a running overlay.
#pragma once

#include "config/node_config.hpp"
#include "messages/interfaces.hpp"
#include "platform/error.hpp"

#include <spdlog/logger.h>

#include <memory>
#include <string>

namespace weft {

struct overlay_options {
  node_config config;
  /// Set addresses, MTU and routes, and the link up.  Not so for the drop-in,
  /// whose caller does that.
  bool configure_link = true;
  bool offload = true; ///< use segmentation and receive offloads
  /// I/O loops for packets.
  std::size_t packet_loops = 1; ///< 0 counts as 1
  std::shared_ptr<spdlog::logger> log;
};

struct running_overlay {
  overlay_actor actor;
  std::string interface; ///< the name that the kernel gave
  std::uint16_t port = 0;
};

/// Makes the TUN device, opens the sockets, starts I/O loops on `system` and
/// the actors on them, and configures link and peers.  When it returns, the
/// overlay works.  On failure, nothing is left behind.
///
/// The actor ends with caf::exit_reason::user_shutdown when it was asked to,
/// with another reason when the device or an actor was lost.
result<running_overlay>
start_overlay(caf::actor_system& system, overlay_options options);

} // namespace weft
