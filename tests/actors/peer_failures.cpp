// What a peer makes of errors of the network.
#include "tests/actors/node.hpp"

#include <cerrno>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

struct speaking {
  speaking()
    : us(home, loop.loop, 1),
      other(home, loop.loop, 2), end{us,
                                     us.spawn_peer(home, 5, other.as_peer())} {
  }

  /// Has something to say, and returns the index of the initiation that this
  /// leads to.
  std::uint32_t begins() {
    caf::anon_send(end.actor, outgoing_of({udp_packet(1, 2, 50)}));
    const auto sent = end.sent(home);
    REQUIRE(sent.size() == 1);
    REQUIRE(types_in(sent[0]) == std::vector{message_type::initiation});
    return load_le<std::uint32_t>(sent[0].batch->datagrams[0].data()
                                  + wire::initiation_sender);
  }
  peer_state state_after(const path_failed& failure) {
    caf::anon_send(end.actor, failure);
    return end.report(home).status.state;
  }

  world home{run_by::hand};
  test_loop loop = home.start_loop();
  node us;
  node other;
  tunnel_end end;
};

} // namespace

TEST_CASE_METHOD(speaking, "A peer says that its initiation was refused, and "
                           "where") {
  const auto index = begins();
  const auto state = state_after({ECONNREFUSED, other.address, index});
  CHECK(state.word == peer_word::connecting);
  CHECK(state.reason.find("refused at 192.0.2.2:51820") == 0);
}

TEST_CASE_METHOD(speaking, "An ICMP message for another initiation, or another "
                           "address, explains nothing") {
  const auto index = begins();
  CHECK(state_after({ECONNREFUSED, other.address, index + 1}).reason.empty());
  CHECK(state_after({ECONNREFUSED, endpoint_of("192.0.2.9:51820"), index})
          .reason.empty());
}

TEST_CASE_METHOD(speaking, "A peer says why this host does not send to it") {
  begins();
  const auto state = state_after({ENETUNREACH, other.address, std::nullopt});
  CHECK(state.reason.find("cannot send to 192.0.2.2:51820") == 0);
}

TEST_CASE_METHOD(speaking, "A peer begins a handshake when it is asked to, "
                           "also with a session, but not twice in 5 s") {
  other.allow({{"10.0.0.1/32", 9}});
  us.allow({{"10.0.0.2/32", 5}});
  const tunnel_end there{other, other.spawn_peer(home, 9, us.as_peer())};
  using types = std::vector<message_type>;
  const types handshake{message_type::initiation, message_type::response,
                        message_type::transport};
  caf::anon_send(end.actor, handshake_wanted{});
  CHECK(exchange(home, end, there) == handshake);
  caf::anon_send(end.actor, handshake_wanted{});
  CHECK(exchange(home, end, there).empty());
  home.advance(5s);
  exchange(home, end, there);
  caf::anon_send(end.actor, handshake_wanted{});
  CHECK(exchange(home, end, there) == handshake);
}
