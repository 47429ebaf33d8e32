// CAF's broker for connections between processes, for one connection only and
// without what CAF's own does unasked.
#pragma once

#include "platform/file_descriptor.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/io/basp_broker.hpp>

#include <functional>
#include <set>
#include <string>

namespace weft {

/// What a broker is for.
struct broker_task {
  /// Serves an actor to the node at the other end; null: it connects to the
  /// one that is served there.
  caf::strong_actor_ptr served{};
  std::set<std::string> interface {};
  /// Called on the middleman's thread if the broker connects, with the actor
  /// that the other end serves; null: it serves none, or is none of CAF's.
  std::function<void(const caf::strong_actor_ptr&)> met{};
};

/// One for each connection, so that neither routes nor actors of one are
/// reachable for another, and nothing of it stays behind.  It lives on the
/// middleman's thread and owns the connection from its construction on: no
/// message carries it, which could be left unread.
///
/// It ends when it is sent an exit message and its connection is over.  Not
/// earlier: CAF never lets go of a connection whose broker ends before the
/// middleman has begun to watch it.  So whoever sends that message closes the
/// other end of the connection first.
class control_broker final : public caf::io::basp_broker {
public:
  control_broker(caf::actor_config& config, file_descriptor connection,
                 broker_task task);

  const char* name() const override {
    return "weft-broker";
  }
  caf::behavior make_behavior() override;
  caf::resumable::resume_result
  resume(caf::execution_unit* thread, std::size_t messages) override;

  /// CAF looks for a server that spawns actors at each node that it gets to
  /// know, directly or from a third one, and keeps an actor for it.  There is
  /// none, and there are no third nodes.
  void learned_new_node_directly(const caf::node_id&, bool) override {
  }
  void learned_new_node_indirectly(const caf::node_id&) override {
  }

private:
  file_descriptor connection_; ///< until the middleman's thread takes it over
  broker_task task_;
  bool may_end_ = false;
};

/// Starts a broker for `connection` on the middleman of `system`.
caf::actor spawn_broker(caf::actor_system& system, file_descriptor connection,
                        broker_task task);

/// A node's id as brokers serialize it.
std::string serialized_node(caf::actor_system& system);

} // namespace weft
