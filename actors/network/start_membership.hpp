// A node's part in its network as a member, beside an overlay in this process:
// it keeps the overlay's peers as the network has them.  A library of its own
// (weft_network): programs without it need neither a store nor its TLS.
#pragma once

#include "actors/loop/loop_sources.hpp"
#include "config/network_config.hpp"
#include "messages/control.hpp"
#include "platform/error.hpp"

#include <spdlog/logger.h>

#include <chrono>
#include <memory>
#include <string>

namespace weft {

/// What can be chosen otherwise in tests.
struct membership_limits {
  /// For a directory to be reached, and for the TLS handshake with it.
  std::chrono::milliseconds attempt{5000};
  /// Between two updates of peers at least, under load.
  std::chrono::milliseconds update{1000};
  /// Until a peer that does not answer is tried at its next endpoint.
  std::chrono::milliseconds candidate{5000};
  /// After others' certificates until they are written to the disk.
  std::chrono::milliseconds write{200};
  /// Between two changes of the own record at least; a directory takes no more.
  std::chrono::milliseconds record{10'000};
  /// After records of others, which come from a directory again, until they are
  /// written.
  std::chrono::milliseconds write_records{60'000};
};

struct membership_options {
  network_config config; ///< paths as they are to be opened
  /// For what the network has told, kept over restarts; made with mode 0700.
  std::string folder;
  std::shared_ptr<spdlog::logger> log; ///< null: nothing is logged
  membership_limits limits;
  loop_sources sources;
};

/// Asks the issuer to end this node's membership, for ever; answered once it
/// has, or with its refusal.  No directory within 30 s is an error (ETIMEDOUT).
struct end_membership {};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::end_membership)

namespace weft {

/// Ends with caf::exit_reason::user_shutdown when it was asked to or when its
/// overlay has ended, and leaves the overlay's peers as they are.  Another
/// reason: start it anew.
using membership_actor
  = caf::typed_actor<caf::reacts_to<shut_down>,
                     caf::replies_to<end_membership>::with<void>>;

/// Reads what the node has of its network, believes what is still right of it,
/// and has told the overlay its peers when this returns: no directory is
/// needed for that.  `overlay` is start_overlay()'s.  Errors name the file and
/// the remedy.
result<membership_actor>
start_membership(caf::actor_system& system, const overlay_actor& overlay,
                 membership_options options);

} // namespace weft
