// A tunnel whose packets workers seal and open.  A test does it in their place,
// one job after the other, in the order that it wants.
#pragma once

#include "config/saved_node.hpp"
#include "tests/actors/desk_with.hpp"
#include "tests/actors/tunnel.hpp"

#include <algorithm>

namespace weft::test {

/// Does what a worker was given.
inline void perform(const cipher_work& given) {
  auto begun = given.job->begin();
  REQUIRE(begun);
  begun->perform();
}

/// Each end has a worker.
struct helped_tunnel : tunnel {
  helped_tunnel() {
    left.space->desk = desk_with(sealer);
    right.space->desk = desk_with(opener);
    connect();
  }

  void send(const std::vector<bytes>& packets) {
    caf::anon_send(a.actor, outgoing_of(packets));
  }
  /// Packets with the next numbers, for a worker if there are many.
  std::vector<bytes> numbered(std::size_t count) {
    std::vector<bytes> packets;
    for (std::size_t i = 0; i < count; ++i) {
      all.push_back(++number);
      packets.push_back(udp_packet(1, 2, 1300, number));
    }
    return packets;
  }
  /// The same in a batch of a pool, as the reader would send it.
  outgoing_packets batch_of(const std::shared_ptr<outgoing_pool>& pool,
                            std::size_t count, bool contended = false) {
    auto batch = pool->acquire();
    REQUIRE(batch);
    for (const auto& packet : numbered(count)) {
      const auto room = batch->datagrams.add(packet.size(), packet.size());
      std::copy(packet.begin(), packet.end(), room.begin());
    }
    return {std::move(batch), contended};
  }
  /// The numbers of the packets that the host has got since the last call.
  std::vector<std::uint32_t> delivered() {
    std::vector<std::uint32_t> numbers;
    for (const auto& packet : right.delivered.take<bytes>())
      numbers.push_back(
        load_be<std::uint32_t>(packet.data() + packet.size() - 1300));
    return numbers;
  }
  void send_full() {
    send(numbered(full));
  }
  cipher_work to_seal() {
    return sealer.next<cipher_work>();
  }
  /// Carries what has been sent to the other end, as it is.
  std::vector<outgoing_datagrams> carry_all() {
    auto sent = a.sent(home);
    for (const auto& one : sent)
      carry(one, left.address, right, b.actor);
    b.report(home);
    opener.settle();
    return sent;
  }
  std::vector<std::uint32_t> received() {
    b.report(home);
    return delivered();
  }
  std::size_t sent_packets() {
    std::size_t count = 0;
    for (const auto& one : a.sent(home))
      count += one.batch->datagrams.size();
    return count;
  }
  /// Asks the end to stand still: what it leaves becomes `frozen`, or it has
  /// `refused`.
  void freeze(const tunnel_end& end) {
    auto saved = std::make_shared<saved_node>();
    saved->peers.resize(1);
    const auto let_go = [this, saved](saved_node*) {
      auto& session = saved->peers[0].session;
      if (session)
        frozen = std::make_shared<saved_session>(std::move(*session));
      refused = !frozen;
      caf::anon_send(left.registry.handle(), peers_stand_still{saved});
    };
    caf::anon_send(end.actor, freeze_peer{{saved.get(), let_go}, 0});
    home.settle();
  }

  /// As many packets of `numbered()` are worth a worker.
  static constexpr std::size_t full = 30;

  fake<cipher_worker_actor> sealer{home}; ///< what the left end sends
  fake<cipher_worker_actor> opener{home}; ///< what the right end receives
  std::shared_ptr<saved_session> frozen;
  bool refused = false;
  std::uint32_t number = 0;
  std::vector<std::uint32_t> all; ///< numbers that were sent, in order
};

/// Where what comes in is opened by the test.
struct helped_opening : helped_tunnel {
  helped_opening() {
    left.space->desk.reset();
  }
  void send_and_carry(std::size_t count) {
    send(numbered(count));
    carry_all();
  }
  /// Two batches wait for a new session, as the keys are too old.  Its
  /// handshake is answered, and what is carried next confirms it.
  void send_with_new_session() {
    home.advance(std::chrono::seconds{180});
    for (int i = 0; i < 2; ++i)
      send(numbered(full));
    auto sent = a.sent(home);
    REQUIRE(sent.size() == 1);
    carry(sent[0], left.address, right, b.actor);
    sent = b.sent(home);
    REQUIRE(sent.size() == 1);
    carry(sent[0], right.address, left, a.actor);
  }
  /// Numbered packets, which are received into a batch of this pool.
  void send_in_batch_of(const std::shared_ptr<incoming_pool>& pool,
                        std::size_t count) {
    send(numbered(count));
    const auto sent = a.sent(home);
    REQUIRE(sent.size() == 1);
    const auto batch = pool->acquire();
    REQUIRE(batch);
    std::size_t used = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto datagram = sent[0].batch->datagrams[i];
      const auto place = batch->memory().subspan(used, datagram.size());
      std::copy(datagram.begin(), datagram.end(), place.begin());
      used += datagram.size();
      const auto next = i + 1 < count ? i + 1 : incoming_batch::end;
      batch->datagrams.push_back({place, 0, static_cast<std::uint16_t>(next)});
    }
    batch->paths.push_back({{left.address, right.local}, {}});
    caf::anon_send(b.actor, incoming_datagrams{batch, 0, right.allowed});
  }
  cipher_work to_open() {
    return opener.next<cipher_work>();
  }
};

} // namespace weft::test
