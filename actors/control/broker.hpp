// CAF's broker for connections between processes, for one connection only and
// without what CAF's own does unasked.
#pragma once

#include "platform/file_descriptor.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/io/basp_broker.hpp>

namespace weft {

/// One for each connection, so that neither routes nor actors of one are
/// reachable for another, and nothing of it stays behind.  It lives on the
/// middleman's thread and ends when it is sent an exit message.
class control_broker final : public caf::io::basp_broker {
public:
  using basp_broker::basp_broker;

  const char* name() const override {
    return "weft-broker";
  }

  /// CAF looks for a server that spawns actors at each node that it gets to
  /// know, directly or from a third one, and keeps an actor for it.  There is
  /// none, and there are no third nodes.
  void learned_new_node_directly(const caf::node_id&, bool) override {
  }
  void learned_new_node_indirectly(const caf::node_id&) override {
  }
};

/// Starts a broker on the middleman of `system`.
caf::actor spawn_broker(caf::actor_system& system);

/// Serves `whom` to the node at the other end of `connection`.
void publish(caf::actor_system& system, const caf::actor& broker,
             file_descriptor connection, const caf::strong_actor_ptr& whom,
             std::set<std::string> interface);

/// What a broker is asked to connect with; it answers with the node, the actor
/// served there, and its interface.
caf::io::scribe_ptr
make_scribe(caf::actor_system& system, file_descriptor connection);

/// A node's id as brokers serialize it.
std::string serialized_node(caf::actor_system& system);

} // namespace weft
