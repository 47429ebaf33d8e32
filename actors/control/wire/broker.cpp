#include "actors/control/wire/broker.hpp"

#include <caf/binary_serializer.hpp>
#include <caf/scoped_execution_unit.hpp>

namespace weft {

namespace {

/// CAF serves actors at ports; here is one for each broker.
constexpr std::uint16_t the_port = 1;

} // namespace

control_broker::control_broker(caf::actor_config& config,
                               file_descriptor connection, broker_task task)
  : basp_broker(config), connection_(std::move(connection)),
    task_(std::move(task)) {
}

/// As CAF's own broker does with a connection that it is sent.
caf::behavior control_broker::make_behavior() {
  set_exit_handler([this](caf::exit_msg& message) {
    may_end_ = true;
    if (ctx.empty())
      quit(message.reason);
  });
  const auto connection = add_scribe(connection_.release());
  set_context(connection);
  this_context->remote_port = the_port;
  if (task_.served) {
    system().registry().put(task_.served->id(), task_.served);
    instance.add_published_actor(the_port, std::exchange(task_.served, nullptr),
                                 std::move(task_.interface));
    instance.write_server_handshake(context(), get_buffer(connection),
                                    the_port);
  } else {
    instance.write_client_handshake(context(), get_buffer(connection));
    // CAF answers whoever asked it to connect: the broker itself.
    request(caf::actor_cast<caf::actor>(this), caf::infinite,
            caf::connect_atom_v)
      .then([this](const caf::node_id&, const caf::strong_actor_ptr& actor,
                   const std::set<std::string>&) { task_.met(actor); },
            [this](const caf::error&) { task_.met(nullptr); });
  }
  flush(connection);
  configure_read(connection,
                 caf::io::receive_policy::exactly(caf::io::basp::header_size));
  return caf::message_handler{[this, connection](caf::connect_atom) {
           ctx[connection].callback = make_response_promise();
         }}
    .or_else(basp_broker::make_behavior());
}

caf::resumable::resume_result
control_broker::resume(caf::execution_unit* thread, std::size_t messages) {
  const auto result = basp_broker::resume(thread, messages);
  if (result != resume_result::done && may_end_ && ctx.empty()) {
    may_end_ = false; // once is enough
    caf::anon_send_exit(address(), caf::exit_reason::user_shutdown);
  }
  return result;
}

caf::actor spawn_broker(caf::actor_system& system, file_descriptor connection,
                        broker_task task) {
  caf::actor_config config{&system.middleman().backend()};
  return system.spawn_class<control_broker, caf::hidden>(
    config, std::move(connection), std::move(task));
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
