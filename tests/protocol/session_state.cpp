#include "protocol/tunnel/session_state.hpp"

#include "tests/catch.hpp"
#include "tests/sim/network.hpp"

#include <algorithm>
#include <memory>

namespace {

using namespace weft;
using namespace weft::test;

/// What two hosts have sent and received in eight minutes of traffic, losses,
/// load and renewals.  Now and then, and in the middle of handshakes, each puts
/// a restored session in the place of its own, if `renews`.
struct story {
  explicit story(bool renews) {
    pair_network net(5);
    net.session(net.b).set_persistent_keepalive(25s, net.at(net.b));
    for (int i = 0; i < 400; ++i) {
      net.send_packet(i % 3 == 0 ? net.b : net.a,
                      100 + static_cast<std::size_t>(i));
      if (i % 100 == 40)
        net.lose_all();
      if (i % 100 == 60)
        net.lose_nothing();
      net[net.b].under_load = i % 80 > 50;
      net.run_for(i % 6 * 400ms + 3ms);
      if (!renews || i % 5 == 3)
        continue;
      net[net.a].renew();
      net[net.b].renew();
    }
    net.run_for(200s);
    for (const auto& sent : net.trace)
      datagrams.emplace_back(sent.when, sent.content);
    for (auto who : {net.a, net.b}) {
      received.push_back(net.received(who));
      auto& session = net.session(who);
      for (std::size_t i = 0; i < drop_reason_count; ++i)
        counts.push_back(session.drops()[static_cast<drop_reason>(i)]);
      for (const auto* traffic : {&session.sent(), &session.received()})
        counts.insert(counts.end(), {traffic->bytes, traffic->packets});
      counts.push_back(session.handshakes_given_up());
    }
  }

  std::vector<std::pair<time_point, bytes>> datagrams;
  std::vector<std::vector<std::uint64_t>> received;
  std::vector<std::uint64_t> counts;
};

bool holds(const_byte_span memory, const_byte_span key) {
  return std::search(memory.begin(), memory.end(), key.begin(), key.end())
         != memory.end();
}

/// None of `secrets` is left where a copy of `value`, which holds them, was.
template <class T>
void check_wiped(const T& value, const std::vector<const_byte_span>& secrets) {
  alignas(T) byte_array<sizeof(T)> storage{};
  auto* copy = new (storage.data()) T(value);
  for (const auto& key : secrets)
    CHECK(holds(storage, key));
  // Volatile, so that the compiler does not see that nobody reads what is left.
  void (*volatile destroy)(T*) = [](auto* p) { std::destroy_at(p); };
  destroy(copy);
  for (const auto& key : secrets)
    CHECK_FALSE(holds(storage, key));
}

} // namespace

TEST_CASE("A session that is saved and restored goes on as if it had not been: "
          "counters, replay windows, timers, handshakes and what waits") {
  const story plain(false);
  const story renewed(true);
  REQUIRE(plain.datagrams.size() > 400);
  CHECK(renewed.datagrams == plain.datagrams);
  CHECK(renewed.received == plain.received);
  CHECK(renewed.counts == plain.counts);
}

TEST_CASE_METHOD(pair_network, "A restored session refuses what the saved one "
                               "has seen, and its counters go on") {
  establish();
  send_packet(a);
  run_for(1s);
  auto seen = trace.back().content;
  (*this)[b].renew();
  const network_path from{(*this)[a].address, std::nullopt};
  CHECK(session(b).receive(seen, from, at(b)).status
        == peer_session::open_status::dropped);
  CHECK(session(b).drops()[drop_reason::replayed] == 1);
  const auto used = session(a).save().keys.current->send_counter;
  (*this)[a].renew();
  send_packet(a);
  CHECK(load_le<std::uint64_t>(trace.back().content.data()
                               + wire::transport_counter)
        == used);
}

TEST_CASE_METHOD(pair_network, "Nothing of its keys is left where a saved "
                               "session was") {
  establish();
  run_for(125s);
  send_packet(a); // begins a second handshake
  const auto saved = session(a).save();
  REQUIRE(saved.keys.current);
  REQUIRE(saved.values.pending);
  const auto& keys = *saved.keys.current;
  check_wiped(keys, {keys.send.bytes(), keys.receive.bytes()});
  const auto& pending = saved.values.pending->initiator.save();
  check_wiped(saved.values,
              {pending.chaining_key.bytes(), pending.ephemeral.bytes()});
}

TEST_CASE_METHOD(pair_network, "The session that takes the place of a lost one "
                               "knows what the peer has seen") {
  establish();
  const auto memory = session(b).memory();
  CHECK(memory.session_lost);
  CHECK(memory.remote == (*this)[a].address);
  auto& host = (*this)[b];
  peer_session next(host.self(), (*this)[a].key(), host.indices(), 0, 0,
                    host.random());
  next.resume(memory);
  CHECK(next.path() == network_path{(*this)[a].address, std::nullopt});
  CHECK(peer_session_access::next_generation(next) == memory.generation);
  CHECK(next.save().values.newest_timestamp == memory.newest_initiation);
  CHECK_FALSE(next.session_created());
}

TEST_CASE("Cookies and receiver indices go on from what was saved") {
  deterministic_random random;
  const acquainted_pair pair{random};
  const endpoint source{ip_address{}, 51820};
  const time_point now{1h};
  cookie_checker checker(pair.a.public_static(), random);
  cookie_stamper stamper(pair.a.public_static());
  initiation_message message{};
  stamper.stamp(message, now);
  const auto reply = checker.make_reply(message, source, now);
  cookie_stamper other_stamper(pair.a.public_static());
  other_stamper.restore(stamper.save());
  REQUIRE(other_stamper.consume_reply(reply, now));
  other_stamper.stamp(message, now);
  cookie_checker other_checker(pair.a.public_static(), random);
  other_checker.restore(checker.save());
  CHECK(other_checker.check(message, source, now)
        == cookie_checker::verdict::valid_mac2);

  const receiver_index_codec codec(random);
  const receiver_index_codec same(codec.save());
  CHECK(same.encode(7, 9) == codec.encode(7, 9));
}

TEST_CASE_METHOD(pair_network, "Packets that have nowhere to go are counted, "
                               "with a session or without") {
  bytes memory(4096);
  const auto send_two = [&](peer_session& session) {
    datagram_buffer batch(memory);
    batch.add(100, 112);
    batch.add(100, 112);
    return session.send(batch, at(a));
  };
  establish();
  peer_session_access::forget_path(session(a));
  CHECK(send_two(session(a)) == peer_session::send_status::waiting);
  CHECK(session(a).drops()[drop_reason::no_endpoint] == 2);
  auto& host = (*this)[a];
  peer_session without(host.self(), (*this)[b].key(), host.indices(), 1, 0,
                       host.random());
  CHECK(send_two(without) == peer_session::send_status::waiting);
  CHECK(without.drops()[drop_reason::no_endpoint] == 2);
}
