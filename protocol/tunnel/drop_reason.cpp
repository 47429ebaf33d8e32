#include "protocol/tunnel/drop_reason.hpp"

namespace weft {

namespace {

using reason = drop_reason;
using side = drop_side;

constexpr std::array<drop_row, drop_reason_count> rows{{
  {reason::malformed_packet, "malformed_packet", side::host,
   "no IP packet, or its offload header is wrong",
   "Look for what writes raw packets into the interface."},
  {reason::no_route, "no_route", side::host,
   "nobody's allowed IPs hold the destination",
   "Add the destination to the `allowed_ips` of the peer that it is behind."},
  {reason::routing_loop, "routing_loop", side::host,
   "what this node sent goes around",
   "Take the peer's endpoint out of the networks that are routed into the "
   "tunnel."},
  {reason::no_endpoint, "no_endpoint", side::host,
   "the peer's address is not known",
   "Give one of the two sides an `endpoint`; the one behind NAT needs it, with "
   "`persistent_keepalive`."},
  {reason::queue_full, "queue_full", side::host,
   "more for the peer than may wait",
   "See why the peer does not answer; if it does, send less."},
  {reason::handshake_failed, "handshake_failed", side::host,
   "it waited for a handshake that was given up",
   "See why the peer does not answer: firewall, address, keys."},
  {reason::send_failed, "send_failed", side::host,
   "refused by the host's network stack",
   "Look at routes and firewall of this host."},
  {reason::send_overload, "send_overload", side::host,
   "the socket's buffer stayed full, or the link's queue was",
   "Give the node more of the machine, or send less."},
  {reason::malformed_message, "malformed_message", side::network,
   "no WireGuard message",
   "None is needed: something else sends to this port."},
  {reason::invalid_mac, "invalid_mac", side::network,
   "a handshake message for another key, or forged",
   "Give the other side the public key of this node."},
  {reason::rate_limited, "rate_limited", side::network,
   "a handshake message of a source that sends too many",
   "None is needed: live sessions do not suffer."},
  {reason::cookie_sent, "cookie_sent", side::network,
   "under load: answered with a cookie reply",
   "None is needed: live sessions do not suffer."},
  {reason::handshake_overload, "handshake_overload", side::network,
   "more handshake messages than can be looked at",
   "None is needed: live sessions do not suffer."},
  {reason::unknown_peer, "unknown_peer", side::network,
   "a handshake of a key that is not configured",
   "Add the peer, if it is one."},
  {reason::invalid_handshake, "invalid_handshake", side::network,
   "forged, or not the answer to ours",
   "Compare the preshared keys of both sides."},
  {reason::replayed_handshake, "replayed_handshake", side::network,
   "its time stamp is not newer than the last one",
   "Set the other side's clock, and give each machine a private key of its "
   "own."},
  {reason::unknown_index, "unknown_index", side::network,
   "a transport message for no session",
   "None is needed: a few are usual after a restart."},
  {reason::expired_session, "expired_session", side::network,
   "a transport message for a session that has ended",
   "None is needed: a few are usual after a restart."},
  {reason::invalid_tag, "invalid_tag", side::network,
   "a transport message that does not authenticate",
   "None is needed, if they are few: damaged on the way, or forged."},
  {reason::replayed, "replayed", side::network,
   "a transport message seen before, or too old",
   "None is needed, if they are few: doubled or late on the way."},
  {reason::malformed_inner, "malformed_inner", side::network,
   "authenticated, but no IP packet",
   "Look for what the peer sends into its tunnel."},
  {reason::wrong_source, "wrong_source", side::network,
   "the inner source address is not the peer's",
   "Add the address to the `allowed_ips` of the peer here, or mend what it "
   "sends from."},
  {reason::oversized, "oversized", side::network,
   "larger than any buffer or, at a packet port, than the MTU",
   "Send packets no larger than the MTU."},
  {reason::device_busy, "device_busy", side::network,
   "the TUN device or consumer had no room, or was down",
   "Set the interface up; if it is, give what reads from it more of the "
   "machine."},
  {reason::device_rejected, "device_rejected", side::network,
   "the TUN device refused the packet",
   "Look for what the peer sends: this system takes it for no packet."},
  {reason::overload, "overload", side::network,
   "more than one receive call can be asked for",
   "Give the node more of the machine, or send less."},
  {reason::congested, "congested", side::network,
   "the network marked its datagram as congested, and it knows no ECN",
   "None is needed, if they are few: its sender slows down. If all are, look "
   "for what marks datagrams that are not capable of ECN."},
  {reason::worker_failed, "worker_failed", side::host,
   "a thread that sealed or opened it failed",
   "Report what the log says of it; the node goes on with one thread fewer."},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].reason != static_cast<drop_reason>(i))
      return false;
  }
  return true;
}
static_assert(in_order());

} // namespace

std::span<const drop_row, drop_reason_count> drop_rows() {
  return rows;
}

std::string_view to_string(drop_reason reason) {
  const auto number = static_cast<std::size_t>(reason);
  return number < rows.size() ? rows[number].name : "unknown";
}

} // namespace weft
