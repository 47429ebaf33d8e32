// Endpoints that nobody has proven to be a peer's: what goes there.
#include "tests/catch.hpp"
#include "tests/sim/network.hpp"

#include <map>
#include <set>

namespace {

using namespace weft;
using namespace weft::test;

using numbers = std::vector<std::uint64_t>;

/// `a` was told by others where `b` is.
struct told_network : pair_network {
  told_network() {
    session(a).limit_unproven(&limit);
  }

  token_bucket limit = unproven_initiations;
};

} // namespace

TEST_CASE_METHOD(told_network, "To an endpoint that is not proven an "
                               "initiation goes for packets, as always") {
  send_packet(a);
  run_for(1s);
  CHECK(received(b) == numbers{1});
}

TEST_CASE_METHOD(told_network, "A persistent keepalive begins nothing with an "
                               "endpoint that is not proven") {
  session(a).set_persistent_keepalive(5s, at(a));
  session(a).start(at(a));
  collect(a);
  run_for(100s);
  CHECK(trace.empty());
  SECTION("until packets do") {
    send_packet(a);
    run_for(1s);
    CHECK(received(b) == numbers{1});
    trace.clear();
    run_for(300s);
    CHECK(keepalives(a) > 50);
    CHECK(initiations(a) > 0); // which renew the session
  }
  SECTION("or the peer") {
    send_packet(b);
    run_for(1s);
    CHECK(received(a) == numbers{1});
    trace.clear();
    run_for(30s);
    CHECK(keepalives(a) > 4);
  }
}

TEST_CASE_METHOD(told_network, "What only says that it uses a lost session "
                               "begins nothing") {
  session(a).wake((*this)[b].address, at(a));
  collect(a);
  run_for(10s);
  CHECK(trace.empty());
}

TEST_CASE_METHOD(told_network, "Who asks for a handshake gets one") {
  session(a).initiate_handshake(at(a));
  collect(a);
  run_for(1s);
  CHECK(session(a).last_handshake());
}

TEST_CASE_METHOD(told_network, "A peer that is told to be elsewhere has to "
                               "prove that as well") {
  send_packet(a);
  run_for(20s);
  session(a).set_persistent_keepalive(5s, at(a));
  lose_all();
  const auto elsewhere = address_of(77);
  session(a).redirect(elsewhere, at(a));
  collect(a);
  trace.clear();
  run_for(200s); // keepalives of the session go there until it has ended
  CHECK(initiations(a) == 0);
  send_packet(a);
  run_for(100s);
  // Packets are tried for 90 s, every 5 s.
  CHECK(initiations(a) > 10);
  CHECK(initiations(a) < 20);
  trace.clear();
  run_for(100s);
  CHECK(initiations(a) == 0);
}

TEST_CASE_METHOD(told_network, "A packet from where a peer is said to have "
                               "moved to proves that, also in a session") {
  send_packet(a);
  run_for(1s);
  const auto before = (*this)[b].address;
  const auto elsewhere = address_of(77);
  session(a).redirect(elsewhere, at(a));
  CHECK(session(a).memory().proven == before);
  (*this)[b].address = elsewhere;
  send_packet(b);
  run_for(1s);
  CHECK(session(a).memory().proven == elsewhere);
  CHECK(session(a).path()->remote == elsewhere);
  // Back again, and said to be where it was heard before.
  session(a).redirect(before, at(a));
  (*this)[b].address = before;
  send_packet(b);
  run_for(1s);
  CHECK(session(a).memory().proven == before);
}

TEST_CASE_METHOD(told_network, "A successor goes on with what was proven") {
  send_packet(a);
  run_for(1s);
  const auto memory = session(a).memory();
  CHECK(memory.proven == (*this)[b].address);
  auto& next = session(b);
  next.limit_unproven(&limit);
  session_memory former;
  former.remote = former.proven = (*this)[a].address;
  former.last_stamp = next.memory().last_stamp;
  next.resume(former);
  trace.clear();
  next.set_persistent_keepalive(5s, at(b));
  collect(b);
  run_for(1s);
  CHECK_FALSE(trace.empty());
}

TEST_CASE("Peers that share a limit send so many initiations a second to where "
          "they are not proven to be, and each has its turn") {
  constexpr std::size_t peers = 200;
  network net;
  const auto us = net.add_host();
  token_bucket limit = unproven_initiations;
  for (std::size_t i = 0; i < peers; ++i) {
    const auto other = net.add_host();
    net[us].add_peer(net[other]).set_endpoint(net[other].address);
    net[us].peer(i).limit_unproven(&limit);
  }
  net.rule = [](const sent_datagram&) { return fate{}; }; // nobody answers
  for (std::size_t second = 0; second < 60; ++second) {
    for (std::size_t i = 0; i < peers; ++i)
      net.send(us, i, {make_packet(second + 1)});
    net.run_for(1s);
  }
  std::map<time_point, std::size_t> in_second;
  std::set<endpoint> reached;
  for (const auto& sent : net.trace) {
    ++in_second[std::chrono::floor<std::chrono::seconds>(sent.when)];
    reached.insert(sent.destination);
  }
  for (const auto& [second, count] : in_second) {
    if (count > 100) // what was saved up, and what one second brings
      FAIL(count);
  }
  CHECK(net.trace.size() <= 60 * 50 + 50);
  CHECK(reached.size() == peers);
  SECTION("whoever has proven its endpoint pays nothing") {
    net[us].peer(0).limit_unproven(nullptr);
    net.trace.clear();
    net.run_for(100s); // the round is given up
    net.trace.clear();
    net.send(us, 0, {make_packet(99)});
    CHECK(net.trace.size() == 1);
  }
}
