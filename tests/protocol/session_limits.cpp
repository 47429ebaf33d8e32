// What a session refuses, and what it counts.
#include "tests/catch.hpp"
#include "tests/sim/network.hpp"

namespace {

using namespace weft;
using namespace weft::test;

using numbers = std::vector<std::uint64_t>;

} // namespace

TEST_CASE_METHOD(pair_network, "A transport message is accepted once") {
  establish();
  rule = [](const sent_datagram&) { return fate{20ms, 20ms, 21ms, 5s}; };
  send_packet(a);
  run_for(8s);
  CHECK(received(b) == numbers{1});
  CHECK(session(b).drops()[drop_reason::replayed] == 3);
}

TEST_CASE_METHOD(pair_network, "Transport messages may come in any order "
                               "within the window") {
  establish();
  deterministic_random random(4);
  rule = [&](const sent_datagram&) {
    return fate{std::chrono::microseconds(random.below(1'000'000))};
  };
  for (int i = 0; i < 5000; ++i)
    send_packet(a, 12);
  run_for(2s);
  auto sorted = received(b);
  CHECK_FALSE(std::is_sorted(sorted.begin(), sorted.end()));
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted.size() == 5000);
  CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
}

TEST_CASE_METHOD(pair_network, "A message behind the window is refused") {
  establish();
  bool first = true;
  rule = [&](const sent_datagram&) {
    return std::exchange(first, false) ? fate{9s} : fate{20ms};
  };
  for (int i = 0; i < 8200; ++i)
    send_packet(a, 12);
  run_for(10s);
  CHECK(received(b).size() == 8199);
  CHECK(session(b).drops()[drop_reason::replayed] == 1);
}

TEST_CASE_METHOD(pair_network, "A message with any bit changed is refused") {
  establish();
  lose_all();
  send_packet(a, 40);
  const auto genuine = trace.back().content;
  auto& receiver = session(b);
  for (std::size_t bit = 32; bit < genuine.size() * 8; ++bit) {
    auto forged = genuine;
    forged[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    CAPTURE(bit);
    CHECK(receiver.open(forged, at(b)).status
          == peer_session::open_status::dropped);
  }
  auto copy = genuine;
  const auto opened = receiver.open(copy, at(b));
  CHECK(opened.status == peer_session::open_status::packet);
  CHECK(opened.packet.size() == 48);
  CHECK(opened.packet.data() == copy.data() + 16);
  CHECK(receiver.drops()[drop_reason::unknown_index] == 32);
  CHECK(receiver.drops()[drop_reason::invalid_tag] > 300);
}

TEST_CASE_METHOD(pair_network, "A forged message with a large counter does not "
                               "move the window") {
  establish();
  lose_all();
  send_packet(a);
  auto forged = trace.back().content;
  store_le<std::uint64_t>(forged.data() + 8, 1'000'000);
  lose_nothing();
  inject((*this)[a].address, (*this)[b].address, forged);
  run_for(1s);
  send_packet(a);
  run_for(1s);
  CHECK(received(b) == numbers{2});
}

TEST_CASE_METHOD(pair_network, "A message for an index of nobody is refused") {
  establish();
  send_packet(a);
  auto message = trace.back().content;
  store_le<std::uint32_t>(message.data() + 4,
                          load_le<std::uint32_t>(message.data() + 4) + 1);
  const auto opened = session(b).open(message, at(b));
  CHECK(opened.status == peer_session::open_status::dropped);
  CHECK(opened.packet.empty());
  CHECK(session(b).drops()[drop_reason::unknown_index] == 1);
}

TEST_CASE_METHOD(pair_network, "A session does not accept its own messages "
                               "when they are reflected") {
  establish();
  rule = [&](const sent_datagram& message) {
    auto reflected = message.content;
    inject(message.destination, message.source, reflected, 10ms);
    // With the index changed to the sender's own, too.
    return fate{20ms};
  };
  send_packet(a);
  run_for(1s);
  CHECK(received(a).empty());
  CHECK(received(b) == numbers{1});
}

TEST_CASE_METHOD(pair_network, "Counters hold every byte of UDP payload, and "
                               "they agree on both sides") {
  for (int i = 0; i < 10; ++i) {
    send_packet(a, 84);
    run_for(1s);
    send_packet(b, 84);
    run_for(1s);
  }
  // Packets of 84 bytes are 96 padded and 128 sealed.
  CHECK(session(a).sent().packets == 10);
  CHECK(session(a).sent().bytes == 148 + 10 * 128);
  CHECK(session(b).sent().bytes == 92 + 10 * 128);
  for (auto who : {a, b}) {
    CHECK(session(who).sent().bytes == session(1 - who).received().bytes);
    CHECK(session(who).sent().packets == session(1 - who).received().packets);
  }
}

TEST_CASE_METHOD(pair_network, "What is refused is not counted as received") {
  establish();
  const auto bytes_before = session(b).received().bytes;
  send_packet(a);
  const auto message = trace.back().content;
  run_for(1s);
  const auto once = session(b).received().bytes;
  CHECK(once == bytes_before + message.size());
  for (int i = 0; i < 10; ++i)
    inject((*this)[a].address, (*this)[b].address, message);
  run_for(1s);
  CHECK(session(b).received().bytes == once);
}

TEST_CASE_METHOD(pair_network, "Drops that callers see are counted with the "
                               "session's own") {
  session(a).count_drop(drop_reason::wrong_source, 3);
  session(a).count_drop(drop_reason::malformed_inner);
  CHECK(session(a).drops()[drop_reason::wrong_source] == 3);
  CHECK(session(a).drops()[drop_reason::malformed_inner] == 1);
}

TEST_CASE_METHOD(pair_network, "A datagram of the session that a wrong route "
                               "brings back into it is dropped") {
  establish();
  send_packet(a, 200);
  const auto own = trace.back().content;
  for (bool v4 : {true, false}) {
    // As the host would hand it to the TUN device: IP, UDP, our datagram.
    bytes packet((v4 ? 20u : 40u) + 8u);
    packet[0] = v4 ? std::byte{0x45} : std::byte{0x60};
    packet[v4 ? 9 : 6] = std::byte{17};
    packet.insert(packet.end(), own.begin(), own.end());
    const auto before = trace.size();
    send(a, 0, {packet});
    CHECK(trace.size() == before);
    // The others of its batch pass.
    send(a, 0, {make_packet(v4 ? 7 : 9), packet, make_packet(v4 ? 8 : 10)});
    CHECK(trace.size() == before + 2);
    // A datagram of another tunnel passes as well.
    packet[packet.size() - own.size() + 4] ^= std::byte{1};
    bytes memory(4096);
    datagram_buffer batch(memory);
    auto room = batch.add(packet.size(), packet.size());
    std::copy(packet.begin(), packet.end(), room.begin());
    CHECK(session(a).send(batch, at(a)) == peer_session::send_status::sealed);
    CHECK(batch.size() == 1);
  }
  run_for(1s);
  CHECK(session(a).drops()[drop_reason::routing_loop] == 4);
  CHECK(received(b) == numbers{1, 7, 8, 9, 10});
}

TEST_CASE("Every reason for a drop has a name of its own") {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < drop_reason_count; ++i)
    names.emplace_back(to_string(static_cast<drop_reason>(i)));
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
  CHECK_FALSE(std::binary_search(names.begin(), names.end(), "unknown"));
  CHECK(to_string(static_cast<drop_reason>(200)) == "unknown");
}

TEST_CASE("Drop counters add up") {
  drop_counters one;
  drop_counters other;
  one.dropped(drop_reason::no_route);
  other.dropped(drop_reason::no_route, 4);
  other.dropped(drop_reason::overload);
  one.add(other);
  CHECK(one[drop_reason::no_route] == 5);
  CHECK(one[drop_reason::overload] == 1);
  CHECK(one[drop_reason::replayed] == 0);
}
