// The receiving half of a session: a datagram is what its first byte says
// (receive); transport messages are opened one by one (open); after those of
// one sender, endpoint and timers follow (authenticated).
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
  const auto index
    = load_le<std::uint32_t>(datagram.data() + wire::transport_receiver);
  const auto counter
    = load_le<std::uint64_t>(datagram.data() + wire::transport_counter);
  auto drop = [&](drop_reason reason) {
    values_.drops.dropped(reason, 1, {datagram});
    return open_result{};
  };
  auto* keys = keys_.find(index);
  if (keys == nullptr)
    return drop(drop_reason::unknown_index);
  if (keys->expired(at.now))
    return drop(drop_reason::expired_session);
  if (!keys->window.would_accept(counter))
    return drop(drop_reason::replayed);
  auto sealed = datagram.subspan(wire::transport_packet);
  if (!keys->receive.open(counter, sealed))
    return drop(drop_reason::invalid_tag);
  keys->window.accept(counter);
  values_.received.bytes += datagram.size();
  ++values_.received.packets;
  if (keys_.confirm(keys)) {
    handshake_completed(at);
    session_usable(at);
  }
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
