// A directory of a network, in this process: what keeps certificates, records
// and lists, and tells the members what changes.  It lives on a loop of its
// own, and asks its store on threads of its own; packets wait for neither.
#pragma once

#include "actors/loop/loop_sources.hpp"
#include "config/network_config.hpp"
#include "messages/control.hpp"
#include "platform/error.hpp"
#include "protocol/network/steering.hpp"

#include <spdlog/logger.h>

#include <chrono>
#include <memory>
#include <string>

namespace weft {

/// What can be chosen otherwise in tests.
struct directory_limits {
  std::size_t members = 16'384; ///< connections of them
  /// Members' connections from one IPv4 address or IPv6 network (/64): many may
  /// be behind one NAT.
  std::size_t members_of_source = 4096;
  std::size_t unknown = 256; ///< connections that have not proven themselves
  std::size_t unknown_of_source = 32;
  /// At once, of those that have proven that they may ask; the others are
  /// unknown.
  std::size_t joining = 64;
  std::size_t joining_of_source = 16;
  /// New connections of all and of a source: a handshake costs a signature.
  unsigned new_in_second = 400;
  unsigned new_of_source_in_second = 40;
  /// Those that are turned away at once, too: that costs next to nothing.
  unsigned accepted_in_second = 8000;
  std::chrono::milliseconds handshake{5000};
  /// For all of a joining, but for the issuer's answer.
  std::chrono::milliseconds joining_patience{5000};
  std::chrono::milliseconds issuer_patience{10'000};
  /// A member that takes nothing for so long has gone.
  std::chrono::milliseconds stuck{30'000};
  std::size_t queued_bytes = std::size_t{4} << 20; ///< to one member
  std::chrono::milliseconds reopen{5000};          ///< of what cannot be opened
};

struct directory_options {
  directory_config config; ///< `listen` is set
  std::string root;        ///< PEM file of the network's root
  /// Of the Unix socket for root (protocol/network/steering.hpp); empty: none.
  std::string steering_socket;
  /// The overlay of this node if it is a member, too: members are told where
  /// their packets come from.  Null: they are not.
  overlay_actor overlay;
  std::shared_ptr<spdlog::logger> log; ///< null: nothing is logged
  directory_limits limits{};
  loop_sources sources{};
};

/// `/run/weft/NETWORK.directory`: no name of an interface's socket
std::string directory_socket_path(const std::string& control_folder,
                                  const std::string& network);

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::steering_question)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::steering_answer)

namespace weft {

/// Ends when it is told to shut down or when its overlay ends: with
/// caf::exit_reason::user_shutdown.  Another reason: start it anew.
using directory_actor
  = caf::typed_actor<caf::reacts_to<shut_down>,
                     caf::replies_to<steering_question>::with<steering_answer>>;

/// Reads root, certificate and key; what is wrong with them is the error.
/// Everything else (a port, the store, the issuer) may be missing: it is said,
/// and tried again.  SIGPIPE must be ignored or blocked in the process's
/// threads.
result<directory_actor>
start_directory(caf::actor_system& system, directory_options options);

} // namespace weft
