// A directory whose node is a member as well: it sees where others' packets
// come from.
#include "tests/actors/directory_support.hpp"
#include "tests/actors/embedded.hpp"

using namespace weft;
using namespace weft::test;

TEST_CASE("a directory tells a member, and it alone, where its packets come "
          "from") {
  directory_home net;
  embedded_overlay here(net.home, net.pki.random, 1);
  embedded_overlay there(net.home, net.pki.random, 2);
  here.start({});
  net.options.overlay = here.running.actor;
  net.start();
  const auto token = net.issuer.invite(2);
  auto keys = net.draw_keys(token);
  keys.wireguard = there.options.config.interface.private_key;
  const auto beta = net.join(keys, "beta");
  const auto gamma = net.join(token, "gamma");
  REQUIRE(beta.answer);
  auto client = net.connect_and_greet(beta);
  auto other = net.connect_and_greet(gamma);

  there.start({&here});
  net.home.ask<config_changes>(here.running.actor, add_peer{there.as_peer()});
  std::ignore = there.send({numbered_packet(2, 1, 1, 100, true)});
  const endpoint where{*parse_ip_address("127.0.0.1"), there.running.port};
  CHECK(client.next_of<endpoint_seen>().where == where);
  // Who connects again is told again.
  auto again = net.connect_and_greet(beta);
  CHECK(again.next_of<endpoint_seen>().where == where);
  other.send(members_ping{});
  for (;;) {
    const auto message = other.next_message();
    REQUIRE(message);
    CHECK_FALSE(std::holds_alternative<endpoint_seen>(*message));
    if (std::holds_alternative<members_pong>(*message))
      break;
  }
}
