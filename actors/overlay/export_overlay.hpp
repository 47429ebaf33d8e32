// An overlay goes on in another process, with all its sessions, and no peer
// notices.  Both processes are of one user on one host, and have a Unix stream
// socket between them, each an end: what goes over it can be used once, by the
// other end, and nobody sees it as bytes.
#pragma once

#include "actors/overlay/start_overlay.hpp"
#include "platform/replacement.hpp"
#include "platform/state_memory.hpp"

#include <caf/actor_system.hpp>

#include <chrono>
#include <functional>
#include <string>

namespace weft {

/// Gives the overlay to the process at the other end, which calls
/// import_overlay(); blocks for some seconds at most.  When it returns the
/// overlay has ended here, and this process can no longer use its keys.  On
/// failure it goes on here, and the other process never sends for it.  EACCES:
/// that is another user's.  EBUSY, ENOMEM: not now; both hear why, and it may
/// ask again soon.  `let_go`, which may be empty, is called when the overlay
/// has ended here and the other process has not gone on yet.  `process_ends`:
/// this process does so at once, by _exit(2).  Then its peers do not end one by
/// one, for which thousands take processors that the other process needs.
result<void>
export_overlay(caf::actor_system& system, const overlay_actor& overlay,
               file_descriptor connection,
               const std::function<void()>& let_go = {},
               bool process_ends = false);

/// What another process has exported.
struct imported_overlay {
  inherited_overlay left; ///< for overlay_options, once
  /// Why there is no state in it, a sentence; empty: there is one.
  std::string unreadable;
};

/// Waits for the overlay that the process at the other end exports; blocks for
/// some seconds at most.  Packets wait less after prepare_to_import().  When it
/// returns nobody else can send for it: give what it has left to
/// start_overlay() at once, with these `options`, as datagrams wait in its
/// sockets.  On failure it goes on over there, also when these options do not
/// go with it.
result<imported_overlay>
import_overlay(file_descriptor connection, const overlay_options& options);

/// What an overlay leaves, as its successor reads it; `left` has no keys then.
/// ENOMEM: a limit on memory is reached.
result<state_memory> to_memory(std::shared_ptr<saved_node>& left);

/// The second half of import_overlay(), for whoever has received the first one.
/// `check`: why this process could not go on with it.
result<imported_overlay>
take_over(taking_place& place, handed_over received,
          const std::function<result<void>(const inherited_overlay&)>& check);

/// For what the two processes say to each other.  What they wait for takes
/// milliseconds; peers do without an answer for 10 s before they worry.
inline constexpr std::chrono::seconds hand_over_patience{5};

} // namespace weft
