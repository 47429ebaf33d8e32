// The sending half of a session:
//  1. a batch of packets is sealed with the current keys (send), or has them
//     and its counters reserved for who seals it elsewhere (reserve); without
//     usable keys it is copied aside (stage), and a handshake starts;
//  2. sent messages start timers, and a new handshake when the keys get old;
//  3. what the protocol itself has to send is given out (poll_transmit).
#include "protocol/tunnel/peer_session.hpp"

#include <algorithm>

namespace weft {

peer_session::send_status
peer_session::send(datagram_buffer& batch, const instant& at) {
  auto* keys = keypair_for(batch, at);
  if (keys == nullptr)
    return send_status::waiting;
  if (batch.empty())
    return send_status::sealed;
  auto counter = keys->reserve(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i)
    seal_datagram(*keys, counter++, batch[i]);
  sent_authenticated(true, at);
  return send_status::sealed;
}

std::optional<seal_order>
peer_session::reserve(datagram_buffer& batch, const instant& at) {
  auto* keys = keypair_for(batch, at);
  if (keys == nullptr || batch.empty())
    return std::nullopt;
  const seal_order order{keys->send.sharing_key(), keys->remote_index,
                         keys->reserve(batch.size())};
  for (const auto& datagram : batch.slices())
    count_sent(datagram.length);
  sent_authenticated(true, at);
  return order;
}

keypair* peer_session::keypair_for(datagram_buffer& batch, const instant& at) {
  auto* keys = usable_keypair(at.now, batch.size());
  // Packets that wait go first.
  if (keys == nullptr || !staged_.empty() || !values_.path) {
    stage(batch, at);
    return nullptr;
  }
  if (batch.may_hold_messages())
    drop_loops(batch, keys->remote_index, at.now);
  return keys;
}

void peer_session::drop_loops(datagram_buffer& batch, std::uint32_t index,
                              time_point now) {
  for (auto i = batch.size(); i-- > 0;) {
    if (goes_around(batch[i].subspan(transport_header_size,
                                     batch[i].size() - transport_overhead),
                    index, now))
      batch.remove(i);
  }
}

bool peer_session::goes_around(const_byte_span packet, std::uint32_t index,
                               time_point now) {
  // A route that leads our datagrams into the tunnel again would seal them for
  // ever.  The receiver index, which only we send with, gives them away; those
  // that come back by way of another tunnel are bounded.
  const auto carried = carried_message(packet);
  if (!carried
      || (*carried != index
          && (!values_.path
              || loop_guard_.pass(packet.size() + transport_overhead,
                                  *values_.path, now))))
    return false;
  values_.drops.dropped(drop_reason::routing_loop, 1, {packet});
  return true;
}

void peer_session::stage(const datagram_buffer& batch, const instant& at) {
  if (!values_.path) {
    values_.drops.dropped(drop_reason::no_endpoint, batch.size());
    return;
  }
  if (self_ && statics() == nullptr) { // the peer's key is of low order
    values_.drops.dropped(drop_reason::handshake_failed, batch.size());
    return;
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto datagram = batch[i];
    staged_.add(datagram.subspan(transport_header_size,
                                 datagram.size() - transport_overhead));
  }
  if (usable_keypair(at.now, staged_.size()) != nullptr)
    values_.staged_sendable = true;
  else
    initiate_handshake(at);
}

void peer_session::drop_staged(drop_reason reason) {
  staged_.drop_all(reason);
  values_.staged_sendable = false;
}

keypair*
peer_session::usable_keypair(time_point now, std::uint64_t messages) const {
  auto* keys = keys_.current();
  if (keys == nullptr || keys->expired(now) || !keys->has_counters(messages))
    return nullptr;
  return keys;
}

void peer_session::seal_datagram(keypair& keys, std::uint64_t counter,
                                 byte_span datagram) {
  weft::seal_datagram(keys.send, keys.remote_index, counter, datagram);
  count_sent(datagram.size());
}

void peer_session::count_sent(std::size_t bytes) {
  values_.sent.bytes += bytes;
  ++values_.sent.packets;
}

void peer_session::unstage(const std::function<bool(const_byte_span)>& keep) {
  staged_.keep_only(keep, drop_reason::no_route);
  if (staged_.empty())
    values_.staged_sendable = false;
}

void peer_session::sent_authenticated(bool data, const instant& at) {
  authenticated_traversal(at.now);
  authenticated_sent();
  if (data)
    data_sent(at.now);
  // Renew the keys in time (6.2): after 2^60 messages, and if we initiated the
  // session also after 120 s.
  const auto& keys = *keys_.current();
  if (keys.send_counter > limits::rekey_after_messages
      || (keys.initiator
          && at.now - keys.created >= limits::rekey_after_time)) {
    if (data)
      initiate_handshake(at);
    else
      renew(at);
  }
}

void peer_session::send_keepalive(const instant& at) {
  if (!staged_.empty()) {
    // A packet that waits says as much.
    if (usable_keypair(at.now, staged_.size()) != nullptr)
      values_.staged_sendable = true;
    else
      initiate_handshake(at);
    return;
  }
  values_.keepalive_due = true;
  if (usable_keypair(at.now, 1) == nullptr) {
    values_.keepalive_due = false; // the initiator's first message will be one
    renew(at);
  }
}

std::size_t peer_session::transmit_size() const {
  std::size_t size = 0;
  for (const auto& message : values_.outbox)
    size += message.size();
  if (values_.staged_sendable)
    size += staged_.bytes() + staged_.size() * transport_overhead;
  if (values_.keepalive_due)
    size += transport_overhead;
  return size;
}

bool peer_session::poll_packets(datagram_buffer& out, const instant& at) {
  if (values_.staged_sendable)
    flush_staged(out, at);
  return values_.staged_sendable;
}

bool peer_session::poll_transmit(datagram_buffer& out, const instant& at) {
  std::size_t taken = 0;
  for (; taken < values_.outbox.size(); ++taken) {
    const auto& message = values_.outbox[taken];
    auto room = out.add_message(message.size());
    if (room.empty())
      break;
    std::copy(message.begin(), message.end(), room.begin());
  }
  values_.outbox.erase(values_.outbox.begin(),
                       values_.outbox.begin()
                         + static_cast<std::ptrdiff_t>(taken));
  if (!values_.outbox.empty())
    return true;
  values_.outbox.shrink_to_fit();
  if (values_.staged_sendable)
    flush_staged(out, at);
  if (!values_.keepalive_due || values_.staged_sendable)
    return has_transmit();
  auto* keys = usable_keypair(at.now, 1);
  if (keys != nullptr) {
    auto room = out.add_message(transport_overhead);
    if (room.empty())
      return true;
    seal_datagram(*keys, keys->reserve(1), room);
    sent_authenticated(false, at);
  }
  values_.keepalive_due = false;
  return has_transmit();
}

void peer_session::flush_staged(datagram_buffer& out, const instant& at) {
  auto* keys = usable_keypair(at.now, staged_.size());
  if (keys == nullptr) {
    values_.staged_sendable = false;
    initiate_handshake(at);
    return;
  }
  std::size_t taken = 0;
  auto sealed = false;
  for (; taken < staged_.size(); ++taken) {
    const auto packet = staged_[taken];
    if (goes_around(packet, keys->remote_index, at.now))
      continue;
    auto room = out.add_message(packet.size() + transport_overhead,
                                congestion_mark_of(packet));
    if (room.empty())
      break;
    std::copy(packet.begin(), packet.end(),
              room.begin() + transport_header_size);
    seal_datagram(*keys, keys->reserve(1), room);
    sealed = true;
  }
  staged_.remove_oldest(taken);
  if (sealed) {
    sent_authenticated(true, at);
    values_.keepalive_due = false;
  }
  if (staged_.empty())
    values_.staged_sendable = false;
}

bool peer_session::may_have_sent(const_byte_span beginning) const {
  constexpr auto index_at = wire::transport_receiver;
  static_assert(index_at == wire::initiation_sender);
  if (beginning.size() < index_at + sizeof(std::uint32_t))
    return true; // as far as that tells
  const auto type = load_le<std::uint32_t>(beginning.data());
  const auto index = load_le<std::uint32_t>(beginning.data() + index_at);
  if (type == static_cast<std::uint32_t>(message_type::initiation))
    return awaits_answer(index);
  const auto* keys = keys_.current();
  return type == static_cast<std::uint32_t>(message_type::transport)
         && keys != nullptr && keys->remote_index == index;
}

} // namespace weft
