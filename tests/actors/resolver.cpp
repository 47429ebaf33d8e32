#include "actors/resolver.hpp"

#include "tests/actors/support.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

/// Numeric addresses need no name server, and a zone that does not exist fails
/// without one.
const host_endpoint known{"192.0.2.7", 51820};
const host_endpoint unknown{"fe80::1%no-such-link", 51820};

struct looked_up {
  resolve_endpoint request(unsigned peer, const host_endpoint& host) {
    resolve_endpoint asked;
    asked.peer.bytes[0] = static_cast<std::byte>(peer);
    asked.host = host;
    asked.asker = asker.handle();
    return asked;
  }

  world home;
  test_loop loop = home.start_loop();
  fake<registry_actor> asker{home};
  resolver_actor names = home.spawn<resolver>(loop.loop);
};

} // namespace

TEST_CASE_METHOD(looked_up, "Whoever asks for a host's address is told") {
  for (unsigned peer = 0; peer < 5; ++peer)
    caf::anon_send(names, request(peer, known));
  for (unsigned peer = 0; peer < 5; ++peer) {
    const auto answer = asker.next<endpoint_resolved>();
    CHECK(answer.peer == request(peer, known).peer);
    CHECK(answer.host == known);
    CHECK(answer.found == std::vector{*parse_endpoint("192.0.2.7:51820")});
  }
}

TEST_CASE_METHOD(looked_up, "Whoever asks for a name that does not exist is "
                            "told why, and it does not hold up others") {
  auto failing = request(1, unknown);
  failing.retry_after = 7s;
  caf::anon_send(names, failing);
  caf::anon_send(names, request(2, known));
  const auto failure = asker.next<endpoint_not_found>();
  CHECK(failure.peer == failing.peer);
  CHECK(failure.host == unknown);
  CHECK(failure.retry_after == 7s);
  CHECK_FALSE(failure.reason.empty());
  CHECK(asker.next<endpoint_resolved>().peer == request(2, known).peer);
}

TEST_CASE_METHOD(looked_up,
                 "Of several requests for one peer the last counts") {
  // They come while the loop is busy, and the first is being looked up when
  // the others are seen.
  loop.run([&] {
    caf::anon_send(names, request(1, known));
    for (std::uint16_t port = 1; port <= 4; ++port)
      caf::anon_send(names, request(1, {"192.0.2.8", port}));
  });
  CHECK(asker.next<endpoint_resolved>().host == known);
  CHECK(asker.next<endpoint_resolved>().host == host_endpoint{"192.0.2.8", 4});
  caf::anon_send(names, request(2, known));
  CHECK(asker.next<endpoint_resolved>().peer == request(2, known).peer);
}

TEST_CASE("A resolver may end while it looks something up") {
  for (int round = 0; round < 20; ++round) {
    looked_up one;
    caf::anon_send(one.names, one.request(1, unknown));
    caf::anon_send(one.names, one.request(2, known));
    CHECK(one.home.end(one.names) == caf::exit_reason::user_shutdown);
  }
}
