#include "messages/control.hpp"

#include "messages/errors.hpp"

#include <caf/binary_deserializer.hpp>

#include <cerrno>

namespace weft {

caf::error nothing_follows(const caf::deserializer& from) {
  const auto* bytes = dynamic_cast<const caf::binary_deserializer*>(&from);
  if (bytes == nullptr || bytes->remaining() == 0)
    return {};
  return make_error(EINVAL, "bytes follow the request");
}

std::string_view to_string(event_kind kind) {
  switch (kind) {
    case event_kind::peer_up:
      return "peer_up";
    case event_kind::peer_down:
      return "peer_down";
    case event_kind::endpoint_changed:
      return "endpoint_changed";
    case event_kind::handshake_completed:
      return "handshake_completed";
    case event_kind::handshake_failed:
      return "handshake_failed";
    case event_kind::peer_added:
      return "peer_added";
    case event_kind::peer_removed:
      return "peer_removed";
    case event_kind::peer_restarted:
      return "peer_restarted";
    case event_kind::config_applied:
      return "config_applied";
    case event_kind::remote_control_closed:
      return "remote_control_closed";
    case event_kind::remote_control_opened:
      return "remote_control_opened";
    case event_kind::interface_lost:
      return "interface_lost";
    case event_kind::events_lost:
      return "events_lost";
    case event_kind::peer_state_changed:
      return "peer_state_changed";
    case event_kind::peer_troubled:
      return "peer_troubled";
    case event_kind::member_added:
      return "member_added";
    case event_kind::member_changed:
      return "member_changed";
    case event_kind::member_removed:
      return "member_removed";
    case event_kind::directory_connected:
      return "directory_connected";
    case event_kind::directory_lost:
      return "directory_lost";
    case event_kind::certificate_expires:
      return "certificate_expires";
    case event_kind::removals_outdated:
      break;
  }
  return "removals_outdated";
}

const request_traits* find_request(std::string_view type) {
  const request_traits* found = nullptr;
  std::apply(
    [&](const auto&... rows) {
      std::ignore = ((type == rows.type && (found = &rows, true)) || ...);
    },
    request_table);
  return found;
}

void configure(caf::actor_system_config& config) {
  std::apply(
    [&](const auto&... rows) {
      (config.add_message_type<typename std::decay_t<decltype(rows)>::request>(
         rows.type),
       ...);
    },
    request_table);
  // What answers are made of, and events.
  config.add_message_type<device_status>("weft::device_status")
    .add_message_type<config_changes>("weft::config_changes")
    .add_message_type<node_configuration>("weft::node_configuration")
    .add_message_type<key_pair>("weft::key_pair")
    .add_message_type<event_batch>("weft::event_batch");
}

} // namespace weft
