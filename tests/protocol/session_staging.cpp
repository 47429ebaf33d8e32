#include "tests/catch.hpp"
#include "tests/sim/network.hpp"

namespace {

using namespace weft;
using namespace weft::test;

using numbers = std::vector<std::uint64_t>;
using access = peer_session_access;

numbers from_to(std::uint64_t first, std::uint64_t last) {
  numbers result;
  for (auto i = first; i <= last; ++i)
    result.push_back(i);
  return result;
}

} // namespace

TEST_CASE_METHOD(pair_network, "Packets that wait for the handshake arrive in "
                               "order") {
  for (int i = 0; i < 100; ++i)
    send_packet(a);
  run_for(1s);
  CHECK(received(b) == from_to(1, 100));
  CHECK(peer_session_access::staged(session(a)) == 0);
  CHECK(access::staged_bytes(session(a)) == 0);
  CHECK(initiations(a) == 1);
}

TEST_CASE_METHOD(pair_network, "At most 128 packets wait: the oldest are "
                               "dropped and counted") {
  for (int i = 0; i < 300; ++i)
    send_packet(a);
  CHECK(peer_session_access::staged(session(a)) == 128);
  run_for(1s);
  CHECK(received(b) == from_to(173, 300));
  CHECK(session(a).drops()[drop_reason::queue_full] == 172);
}

TEST_CASE_METHOD(pair_network, "A batch of more than fits keeps its newest "
                               "packets") {
  std::vector<bytes> batch;
  for (std::uint64_t i = 1; i <= 128; ++i)
    batch.push_back(make_packet(i));
  send(a, 0, {make_packet(1000)});
  send(a, 0, batch);
  run_for(1s);
  CHECK(received(b) == from_to(1, 128));
}

TEST_CASE_METHOD(pair_network, "At most 256 KiB of packets wait") {
  for (int i = 0; i < 100; ++i) {
    send_packet(a, 9000);
    CHECK(access::staged_bytes(session(a)) <= 256 * 1024);
  }
  CHECK(peer_session_access::staged(session(a)) == 256 * 1024 / 9008);
  run_for(1s);
  CHECK(received(b) == from_to(72, 100));
}

TEST_CASE_METHOD(pair_network, "Packets of all sizes that wait arrive "
                               "unchanged") {
  for (std::size_t length = 12; length < 140; ++length)
    send_packet(a, length);
  run_for(1s);
  CHECK(received(b) == from_to(1, 128)); // the harness compares the bytes
}

TEST_CASE_METHOD(pair_network, "Packets do not overtake those that wait") {
  lose([](const auto& message) {
    return message.type() == message_type::response;
  });
  send_packet(a);
  run_for(6s);
  lose_nothing();
  send_packet(a);
  run_for(10ms);
  send_packet(a);
  // The session is there, but nobody has fetched the packets yet.
  run_for(6s);
  send_packet(a);
  run_for(1s);
  CHECK(received(b) == from_to(1, 4));
}

TEST_CASE_METHOD(pair_network, "A batch that comes before the waiting packets "
                               "were fetched is queued behind them") {
  session(a).initiate_handshake(at(a));
  send_packet(a);
  // Deliver the response without fetching what is due.
  run_for(20ms);
  bytes response;
  for (const auto& sent : trace)
    if (sent.type() == message_type::response)
      response = sent.content;
  REQUIRE(response.size() == 92);
  give(session(a), response, {(*this)[b].address, std::nullopt}, at(a));
  CHECK(session(a).has_transmit());
  send_packet(a);
  run_for(1s);
  CHECK(received(b) == numbers{1, 2});
}

TEST_CASE_METHOD(pair_network, "Packets that wait are given out in parts if "
                               "the buffer is small") {
  for (int i = 0; i < 100; ++i)
    send_packet(a, 1000);
  run_for(20ms);
  const auto response = trace.back().content;
  give(session(a), response, {(*this)[b].address, std::nullopt}, at(a));
  const auto size = session(a).transmit_size();
  CHECK(size == 100 * (1008 + 32) + 32);
  bytes memory(3000);
  std::size_t parts = 0;
  std::size_t total = 0;
  bool more = true;
  while (more) {
    datagram_buffer out(memory);
    more = session(a).poll_transmit(out, at(a));
    CHECK(out.size() <= 2);
    for (std::size_t i = 0; i < out.size(); ++i)
      inject((*this)[a].address, (*this)[b].address,
             {out[i].begin(), out[i].end()});
    total += out.size();
    ++parts;
    REQUIRE(parts <= 60);
  }
  CHECK(total == 100);
  CHECK(session(a).transmit_size() == 0);
  run_for(1s);
  CHECK(received(b) == from_to(1, 100));
}

TEST_CASE_METHOD(pair_network, "A session's own messages never carry more than "
                               "was announced") {
  // The harness checks used() <= transmit_size() each time it polls.
  session(a).set_persistent_keepalive(3s, at(a));
  for (int i = 0; i < 400; ++i) {
    send_packet(a, 12 + static_cast<std::size_t>(i));
    run_for(900ms);
  }
  CHECK(received(b).size() == 400);
}

TEST_CASE_METHOD(pair_network, "Packets are padded with zeros to a multiple of "
                               "16") {
  establish();
  for (std::size_t length = 12; length <= 64; ++length) {
    send_packet(a, length);
    CHECK(trace.back().content.size() == (length + 15) / 16 * 16 + 32);
  }
  run_for(1s);
  CHECK(received(b).size() == 53); // the harness looks at the padding
}

TEST_CASE_METHOD(pair_network, "A keepalive is not sent beside packets that "
                               "wait") {
  session(a).set_persistent_keepalive(25s, at(a));
  send_packet(a);
  run_for(1s);
  CHECK(keepalives(a) == 0);
  CHECK(received(b) == numbers{1});
}
