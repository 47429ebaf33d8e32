// Metrics for Prometheus, of an overlay in this process.  They are a library of
// their own (weft::metrics), which loads libmicrohttpd.so.12 when it runs:
// programs without metrics need none.
#pragma once

#include "actors/loop/loop_sources.hpp"
#include "config/node_config.hpp"
#include "messages/control.hpp"
#include "platform/error.hpp"

#include <spdlog/logger.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace weft {

/// What can be chosen otherwise in tests.
struct metrics_limits {
  std::size_t clients = 8; ///< others wait until one has gone
  /// For a request to come, and for its answer to be taken.
  std::chrono::milliseconds patience{5000};
  /// Who has been here for that long and not asked gives way to others.
  std::chrono::milliseconds hesitation{1000};
  /// Between attempts to open what could not be opened.
  std::chrono::milliseconds reopen{5000};
};

struct metrics_options {
  metrics_config config;
  /// Whose members may use the Unix socket, beside root and the daemon's user;
  /// empty: none.
  std::string socket_group;
  std::shared_ptr<spdlog::logger> log; ///< null: nothing is logged
  metrics_limits limits;
  loop_sources sources;
};

/// Where they are read by now.
struct metrics_places_request {};
struct metrics_places {
  std::optional<endpoint> listen;
  std::string socket; ///< empty: none
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::metrics_places_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::metrics_places)

namespace weft {

/// Ends when it is told to shut down, when its overlay ends, or when nobody
/// holds it any more.
using metrics_actor = caf::typed_actor<
  caf::reacts_to<shut_down>,
  caf::replies_to<metrics_places_request>::with<metrics_places>>;

/// Loads what serves them, if that has not been done; what failed is tried
/// again.  From any thread.
result<void> load_microhttpd();

/// Serves the metrics of `overlay` from a loop of their own.  A place that
/// cannot be had is said once, and tried again.  An error: libmicrohttpd cannot
/// be loaded (ELIBACC), or there is no room for a thread.
result<metrics_actor>
start_metrics(caf::actor_system& system, overlay_actor overlay,
              metrics_options options);

} // namespace weft
