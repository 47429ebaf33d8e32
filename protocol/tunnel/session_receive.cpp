// The receiving half of a session: a datagram is what its first byte says
// (receive); transport messages are opened one by one (open, or admit and
// settle around who does that elsewhere); after those of one sender, endpoint
// and timers follow (authenticated).
#include "protocol/tunnel/peer_session.hpp"

namespace weft {

peer_session::open_result
peer_session::receive(byte_span datagram, const network_path& from,
                      const instant& at) {
  const auto type = wire::classify(datagram);
  if (type == message_type::transport) {
    const auto opened = open(datagram, at);
    if (opened.status != open_status::dropped)
      authenticated(from, opened.status == open_status::packet, at);
    return opened;
  }
  if (type == message_type::response)
    handle_response(datagram, from, at);
  else if (type == message_type::cookie_reply)
    handle_cookie_reply(datagram, at);
  else
    values_.drops.dropped(drop_reason::malformed_message, 1,
                          {datagram, &from.remote});
  return {};
}

peer_session::open_result
peer_session::open(byte_span datagram, const instant& at) {
  auto* keys = admit(datagram, at);
  if (keys == nullptr)
    return {};
  return take_in(*keys, datagram, open_datagram(keys->receive, datagram), at);
}

peer_session::open_result
peer_session::settle(byte_span datagram, bool opened, const instant& at) {
  auto* keys = keys_.find(receiver_of(datagram));
  if (keys == nullptr)
    return drop_datagram(drop_reason::unknown_index, datagram);
  return take_in(*keys, datagram, opened, at);
}

peer_session::open_result
peer_session::drop_datagram(drop_reason reason, const_byte_span datagram) {
  values_.drops.dropped(reason, 1, {datagram});
  return {};
}

keypair* peer_session::admit(const_byte_span datagram, const instant& at) {
  auto* keys = keys_.find(receiver_of(datagram));
  auto refused = drop_reason::unknown_index;
  if (keys != nullptr) {
    if (keys->expired(at.now))
      refused = drop_reason::expired_session;
    else if (!keys->window.would_accept(counter_of(datagram)))
      refused = drop_reason::replayed;
    else
      return keys;
  }
  drop_datagram(refused, datagram);
  return nullptr;
}

peer_session::open_result
peer_session::take_in(keypair& keys, byte_span datagram, bool opened,
                      const instant& at) {
  if (!opened)
    return drop_datagram(drop_reason::invalid_tag, datagram);
  // Of two that were opened at a time, one may be the other's copy.
  if (!keys.window.accept(counter_of(datagram)))
    return drop_datagram(drop_reason::replayed, datagram);
  values_.received.bytes += datagram.size();
  ++values_.received.packets;
  if (keys_.confirm(&keys)) {
    handshake_completed(at);
    session_usable(at);
  }
  const auto sealed = datagram.subspan(wire::transport_packet);
  const auto packet = sealed.first(sealed.size() - transport_tag_size);
  return {packet.empty() ? open_status::keepalive : open_status::packet,
          packet};
}

void peer_session::authenticated(const network_path& from, bool data,
                                 const instant& at) {
  follow_endpoint(from);
  loop_guard_.answered();
  authenticated_received();
  authenticated_traversal(at.now);
  if (data)
    data_received(at.now);
  keep_key_fresh_receiving(at);
}

void peer_session::follow_endpoint(const network_path& from) {
  if (values_.heard_by == from)
    return;
  values_.heard_by = from;
  values_.path = from;
  values_.proven = from.remote;
}

void peer_session::keep_key_fresh_receiving(const instant& at) {
  // A session that we initiated and only receive on is renewed shortly before
  // it is rejected (6.2), once.
  const auto* keys = keys_.current();
  if (values_.final_rekey_sent || keys == nullptr || !keys->initiator)
    return;
  if (at.now - keys->created >= limits::reject_after_time
                                  - limits::keepalive_timeout
                                  - limits::rekey_timeout) {
    values_.final_rekey_sent = true;
    renew(at);
  }
}

} // namespace weft
