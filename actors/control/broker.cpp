#include "actors/control/broker.hpp"

#include <caf/binary_serializer.hpp>
#include <caf/scoped_execution_unit.hpp>

namespace weft {

caf::actor spawn_broker(caf::actor_system& system) {
  caf::actor_config config{&system.middleman().backend()};
  return system.spawn_class<control_broker, caf::hidden>(config);
}

caf::io::scribe_ptr
make_scribe(caf::actor_system& system, file_descriptor connection) {
  return system.middleman().backend().new_scribe(connection.release());
}

void publish(caf::actor_system& system, const caf::actor& broker,
             file_descriptor connection, const caf::strong_actor_ptr& whom,
             std::set<std::string> interface) {
  caf::anon_send(broker, caf::publish_atom_v,
                 make_scribe(system, std::move(connection)), std::uint16_t{1},
                 whom, std::move(interface));
}

std::string serialized_node(caf::actor_system& system) {
  std::vector<char> bytes;
  caf::scoped_execution_unit context{&system};
  caf::binary_serializer sink{&context, bytes};
  if (sink(system.node()))
    return {};
  return {bytes.begin(), bytes.end()};
}

} // namespace weft
