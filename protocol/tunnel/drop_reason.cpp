#include "protocol/tunnel/drop_reason.hpp"

namespace weft {

std::string_view to_string(drop_reason reason) {
  switch (reason) {
    case drop_reason::malformed_packet:
      return "malformed_packet";
    case drop_reason::no_route:
      return "no_route";
    case drop_reason::routing_loop:
      return "routing_loop";
    case drop_reason::no_endpoint:
      return "no_endpoint";
    case drop_reason::queue_full:
      return "queue_full";
    case drop_reason::handshake_failed:
      return "handshake_failed";
    case drop_reason::send_failed:
      return "send_failed";
    case drop_reason::send_overload:
      return "send_overload";
    case drop_reason::malformed_message:
      return "malformed_message";
    case drop_reason::invalid_mac:
      return "invalid_mac";
    case drop_reason::rate_limited:
      return "rate_limited";
    case drop_reason::cookie_sent:
      return "cookie_sent";
    case drop_reason::handshake_overload:
      return "handshake_overload";
    case drop_reason::unknown_peer:
      return "unknown_peer";
    case drop_reason::invalid_handshake:
      return "invalid_handshake";
    case drop_reason::replayed_handshake:
      return "replayed_handshake";
    case drop_reason::unknown_index:
      return "unknown_index";
    case drop_reason::expired_session:
      return "expired_session";
    case drop_reason::invalid_tag:
      return "invalid_tag";
    case drop_reason::replayed:
      return "replayed";
    case drop_reason::malformed_inner:
      return "malformed_inner";
    case drop_reason::wrong_source:
      return "wrong_source";
    case drop_reason::oversized:
      return "oversized";
    case drop_reason::device_busy:
      return "device_busy";
    case drop_reason::device_rejected:
      return "device_rejected";
    case drop_reason::overload:
      return "overload";
  }
  return "unknown";
}

} // namespace weft
