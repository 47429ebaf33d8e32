// The way from a command to the node that it steers.
#pragma once

#include "messages/control.hpp"
#include "tools/weft/failure.hpp"

#include <chrono>
#include <functional>
#include <memory>
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

/// A way to a node, for the requests of one command.  It connects with the
/// first of them: a command that is wrong by itself bothers no daemon.  Copies
/// are ways over the same connection.
class node_connection {
public:
  /// Connects.  The actor connects again whenever the connection is lost, and
  /// keeps its subscribers.
  using connector = std::function<outcome<overlay_actor>(connection_told)>;

  node_connection(caf::actor_system& system, connector connect)
    : system_(&system), connect_(std::move(connect)) {
  }

  /// For the actors of the command.
  caf::actor_system& system() const {
    return *system_;
  }
  /// Connects if that has not been done.
  outcome<overlay_actor> overlay() const;
  /// Connects once more, and tells how it stands with that connection.
  outcome<overlay_actor> watched(connection_told told) const {
    return connect_(std::move(told));
  }

  std::chrono::milliseconds timeout{10'000}; ///< for each request
  bool json = false;                         ///< how answers are printed
  bool is_local = false;                     ///< the node is on this host
  bool save = false; ///< what is changed goes to the node's file, too

private:
  caf::actor_system* system_;
  connector connect_;
  std::shared_ptr<overlay_actor> overlay_ = std::make_shared<overlay_actor>();
};

} // namespace weft
