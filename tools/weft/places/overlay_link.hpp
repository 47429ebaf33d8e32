// The way from a command to the node that it steers.
#pragma once

#include "messages/control.hpp"
#include "tools/weft/failure.hpp"

#include <chrono>
#include <functional>
#include <optional>

namespace weft {

/// How it stands with a connection.
struct connection_news {
  std::optional<failure> trouble; ///< nothing: it stands
  bool gave_up = false;           ///< it will not come back
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::connection_news)

namespace weft {

/// Told of each change; called by one actor or another.
using connection_told = std::function<void(const connection_news&)>;

struct overlay_link {
  caf::actor_system& system;
  mutable overlay_actor overlay;             ///< null before the first request
  std::chrono::milliseconds timeout{10'000}; ///< for each request
  bool json = false;
  /// Connects.  The actor connects again whenever the connection is lost, and
  /// keeps its subscribers.
  std::function<outcome<overlay_actor>(connection_told)> connect{};
};

} // namespace weft
