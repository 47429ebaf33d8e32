// A host without I/O for tests: sessions to its peers, the checks that the
// daemon makes in front of them, and a clock of its own.
#pragma once

#include "protocol/base/wireguard.hpp"
#include "tests/protocol/session_access.hpp"
#include "tests/protocol/support.hpp"

#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft::test {

using bytes = std::vector<std::byte>;

/// 198.51.100.`number`:51820, or 2001:db8::`number`
inline endpoint address_of(std::size_t number, bool v6 = false) {
  byte_array<16> raw{};
  if (v6) {
    raw[0] = std::byte{0x20}, raw[1] = std::byte{0x01};
    raw[2] = std::byte{0x0d}, raw[3] = std::byte{0xb8};
    raw[14] = static_cast<std::byte>(number >> 8);
    raw[15] = static_cast<std::byte>(number);
    return {ip_address::from_v6(raw.data()), 51820, 0};
  }
  raw[0] = std::byte{198}, raw[1] = std::byte{51};
  raw[2] = static_cast<std::byte>(number >> 8);
  raw[3] = static_cast<std::byte>(number);
  return {ip_address::from_v4(raw.data()), 51820, 0};
}

/// The local address that datagrams to `where` come to.
inline source_address local_of(const endpoint& where) {
  return {where.address, 2};
}

/// An inner packet that can be checked at the other end: its length, its number
/// and bytes that follow from both.
inline bytes make_packet(std::uint64_t number, std::size_t length = 100) {
  if (length < 12)
    throw std::logic_error("no room for the packet's number");
  bytes packet(length);
  deterministic_random content(number * 2654435761 + length);
  content.fill(packet);
  store_le(packet.data(), static_cast<std::uint32_t>(length));
  store_le(packet.data() + 4, number);
  return packet;
}

/// The number of a packet that arrived padded.  Throws if it was changed.
inline std::uint64_t number_of(const_byte_span padded) {
  const auto number = load_le<std::uint64_t>(padded.data() + 4);
  const auto length = load_le<std::uint32_t>(padded.data());
  if (padded.size() % 16 != 0 || length > padded.size()
      || padded.size() - length >= 16)
    throw std::logic_error("a packet of another length");
  auto expected = make_packet(number, length);
  expected.resize(padded.size());
  if (!std::equal(padded.begin(), padded.end(), expected.begin()))
    throw std::logic_error("a packet with other bytes");
  return number;
}

struct outgoing {
  endpoint to;
  std::optional<source_address> from;
  bytes content;
};

/// Gives a copy of a datagram that yields no packet to a session.
inline void give(peer_session& session, const_byte_span datagram,
                 const network_path& from, const instant& at) {
  bytes copy(datagram.begin(), datagram.end());
  session.receive(copy, from, at);
}

class host {
public:
  host(std::size_t number, std::uint64_t seed)
    : address(address_of(number)), random_(seed * 7919 + number),
      self_(std::make_shared<identity>(generate_private_key(random_))),
      indices_(random_),
      checker_(std::in_place, self_->public_static(), random_) {
  }
  host(const host&) = delete;
  host& operator=(const host&) = delete;

  /// Where datagrams reach the host.  Tests change it: the host moves.
  endpoint address;
  /// What the host's clocks say beyond the network's time.
  duration boot_error{0};
  duration wall_error{0};
  /// Answers handshake messages with cookie replies.
  bool under_load = false;
  /// Sleeps: hears nothing and looks at no deadline.
  bool asleep = false;
  /// Numbers of packets received from each peer, in order.
  std::map<std::size_t, std::vector<std::uint64_t>> received;
  std::size_t keepalives = 0;
  drop_counters drops; ///< in front of the sessions

  const public_key& key() const {
    return self_->public_static();
  }
  std::shared_ptr<const identity> self() const {
    return self_;
  }
  const receiver_index_codec& indices() const {
    return indices_;
  }
  deterministic_random& random() {
    return random_;
  }
  instant at(time_point now) const {
    constexpr wall_time epoch{std::chrono::seconds(1'700'000'000)};
    return {now + boot_error, epoch + now.time_since_epoch() + wall_error};
  }

  /// Adds a session to another host: the next slot.
  peer_session& add_peer(const host& other) {
    const auto slot = static_cast<std::uint32_t>(peers_.size());
    peers_.push_back(std::make_unique<peer_session>(
      self_, other.key(), indices_, slot, random_.next_u32(), random_));
    return *peers_.back();
  }
  peer_session& peer(std::size_t slot = 0) {
    return *peers_.at(slot);
  }
  /// Puts a new session in the place of another, whose state it goes on with.
  void renew(std::size_t slot = 0) {
    const auto saved = peer(slot).save();
    auto fresh
      = std::make_unique<peer_session>(self_, saved.values.peer, indices_,
                                       static_cast<std::uint32_t>(slot), 0,
                                       random_);
    fresh->restore(saved);
    peers_[slot] = std::move(fresh);
  }
  std::size_t peer_count() const {
    return peers_.size();
  }

  void change_identity(const private_key& key) {
    self_ = std::make_shared<identity>(key);
    checker_.emplace(self_->public_static(), random_);
    for (auto& session : peers_)
      session->set_identity(self_);
  }

  /// What the daemon does with packets from the TUN device.
  void
  send(std::size_t slot, const std::vector<bytes>& packets, time_point now) {
    datagram_buffer batch(scratch());
    for (const auto& packet : packets) {
      auto room = batch.add(packet.size(), padded_length(packet.size(), 65000));
      if (room.empty())
        throw std::logic_error("too many packets for one batch");
      std::copy(packet.begin(), packet.end(), room.begin());
    }
    auto& session = peer(slot);
    if (session.send(batch, at(now)) == peer_session::send_status::sealed)
      take(session, batch);
  }

  void receive(bytes datagram, const network_path& from, time_point now) {
    const auto type = wire::classify(datagram);
    if (!type)
      return drops.dropped(drop_reason::malformed_message);
    if (*type == message_type::transport)
      return receive_transport(datagram, from, now);
    if (*type == message_type::cookie_reply) {
      if (auto* session = by_index(datagram, wire::cookie_reply_receiver))
        session->receive(datagram, from, at(now));
      return;
    }
    receive_handshake(*type, datagram, from, now);
  }

  void handle_deadlines(std::size_t slot, time_point now) {
    peer(slot).handle_deadlines(at(now));
  }

  /// All that the sessions have to send; the host's turn is over then.
  std::vector<outgoing> take_outgoing(time_point now) {
    for (auto& session : peers_) {
      bool more = session->has_transmit() && session->path();
      for (int turns = 0; more; ++turns) {
        if (turns > 100)
          throw std::logic_error("a session does not stop sending");
        datagram_buffer out(scratch());
        const auto expected = session->transmit_size();
        more = session->poll_transmit(out, at(now));
        if (out.used() > expected)
          throw std::logic_error("more to send than was announced");
        take(*session, out);
      }
    }
    return std::exchange(outbox_, {});
  }

private:
  /// Kept, since most runs are short.
  static bytes& scratch() {
    static bytes memory(1 << 20);
    return memory;
  }

  void take(const peer_session& session, const datagram_buffer& batch) {
    if (!session.path())
      throw std::logic_error("datagrams for nowhere");
    for (std::size_t i = 0; i < batch.size(); ++i)
      outbox_.push_back({session.path()->remote, session.path()->local,
                         bytes(batch[i].begin(), batch[i].end())});
  }

  peer_session* by_index(const bytes& datagram, std::size_t offset) {
    const auto index = load_le<std::uint32_t>(datagram.data() + offset);
    const auto slot = indices_.slot(index);
    if (slot < peers_.size())
      return peers_[slot].get();
    drops.dropped(drop_reason::unknown_index);
    return nullptr;
  }

  void
  receive_transport(bytes& datagram, const network_path& from, time_point now) {
    auto* session = by_index(datagram, wire::transport_receiver);
    if (session == nullptr)
      return;
    const auto slot = indices_.slot(
      load_le<std::uint32_t>(datagram.data() + wire::transport_receiver));
    const auto opened = session->receive(datagram, from, at(now));
    if (opened.status == peer_session::open_status::packet)
      received[slot].push_back(number_of(opened.packet));
    else if (opened.status == peer_session::open_status::keepalive)
      ++keepalives;
  }

  void receive_handshake(message_type type, bytes& datagram,
                         const network_path& from, time_point now) {
    const auto verdict = checker_->check(datagram, from.remote, now);
    if (verdict == cookie_checker::verdict::invalid_mac)
      return drops.dropped(drop_reason::invalid_mac);
    if (under_load && verdict != cookie_checker::verdict::valid_mac2) {
      const auto reply = checker_->make_reply(datagram, from.remote, now);
      outbox_.push_back(
        {from.remote, from.local, bytes(reply.begin(), reply.end())});
      return drops.dropped(drop_reason::cookie_sent);
    }
    if (type == message_type::response) {
      if (auto* session = by_index(datagram, wire::response_receiver))
        session->receive(datagram, from, at(now));
      return;
    }
    const auto claim = noise_claim::open(
      *self_, const_byte_span(datagram).first<wire::initiation_size>());
    if (!claim)
      return drops.dropped(drop_reason::invalid_handshake);
    for (auto& session : peers_) {
      if (session->key() == claim->initiator())
        return session->receive(*claim, from, at(now));
    }
    drops.dropped(drop_reason::unknown_peer);
  }

  deterministic_random random_;
  std::shared_ptr<identity> self_;
  receiver_index_codec indices_;
  std::optional<cookie_checker> checker_;
  std::vector<std::unique_ptr<peer_session>> peers_;
  std::vector<outgoing> outbox_;
};

} // namespace weft::test
