// Overlays in other processes, on this host or elsewhere, as if they were
// here.
#pragma once

#include "actors/control/relay_times.hpp"
#include "actors/loop/loop_sources.hpp"
#include "messages/control.hpp"
#include "platform/error.hpp"
#include "platform/tls_files.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <string>
#include <variant>

namespace weft {

/// A daemon on this host, by its control socket (`/run/weft/weft0.sock`).
struct local_target {
  std::string path;
};

/// A daemon anywhere.
struct remote_target {
  std::string host; ///< a name or an address
  std::uint16_t port = 0;
  tls_files files;
  /// Whom the daemon's certificate must be for; empty: `host`.
  std::string server_name;
};

using control_target = std::variant<local_target, remote_target>;

/// The path, or `HOST:PORT`.
std::string to_string(const control_target& where);

/// How it stands with a connection.
struct connection_state {
  bool connected = false;
  control_role role = control_role::view; ///< that was granted
  std::string interface;                  ///< of the overlay
  int code = 0;                           ///< if not connected: errno, and
  std::string reason;                     ///< a sentence
  /// There will be no other attempt, see connect_options::retry_refused.
  bool gave_up = false;
  /// The daemon does not take the certificate.  There will be other attempts,
  /// as another one may take its place.
  bool certificate_refused = false;
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::connection_state)

namespace weft {

/// Told of every change, and of the first attempt's outcome.
using connection_watcher = caf::typed_actor<caf::reacts_to<connection_state>>;

struct connect_options {
  connection_watcher watcher; ///< null: nobody
  /// Go on trying when the daemon has refused for good, because of its version
  /// or of who asks, or when the socket may not be opened.
  bool retry_refused = false;
  std::chrono::milliseconds attempt{5000}; ///< at most, for one
  std::chrono::milliseconds first_pause{200};
  std::chrono::milliseconds longest_pause{5000}; ///< between two of them
  relay_times frames;
  loop_sources sources;
};

/// An actor that passes requests on to the overlay at `where`.  It connects at
/// once, and again whenever the connection is lost; its subscribers are
/// subscribed again then, and have missed what happened meanwhile.
///
/// While it is not connected, a request makes it try, and is answered with the
/// reason if that fails (ENOTCONN, ETIMEDOUT, EACCES, ...).  A request that
/// was on its way when the connection was lost is answered with ECONNRESET: it
/// may have been carried out.  A viewer's requests that need an operator are
/// answered with EPERM.
///
/// It ends, and its thread with it, when nobody holds it any more.  It holds
/// its watcher and its subscribers: one of them that itself holds it has to
/// end by itself.
///
/// Fails if `system` was made without weft::configure() or without CAF's
/// middleman.
result<overlay_actor>
connect_overlay(caf::actor_system& system, control_target where,
                connect_options options = {});

} // namespace weft
