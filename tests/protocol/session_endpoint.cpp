#include "tests/catch.hpp"
#include "tests/sim/network.hpp"

namespace {

using namespace weft;
using namespace weft::test;

using numbers = std::vector<std::uint64_t>;

struct roaming : pair_network {
  roaming() {
    establish();
  }
  const endpoint& learned() {
    return session(b).path()->remote;
  }
};

} // namespace

TEST_CASE_METHOD(roaming, "The endpoint follows the first packet from a new "
                          "address, from IPv4 to IPv4 and to IPv6") {
  for (const auto& address :
       {address_of(50), address_of(51, true), address_of(52)}) {
    (*this)[a].address = address;
    send_packet(a);
    run_for(1s);
    CHECK(learned() == address);
    send_packet(b);
    run_for(1s);
  }
  CHECK(received(b) == numbers{1, 2, 3});
  CHECK(received(a) == numbers{1, 2, 3});
  CHECK(initiations(a) + initiations(b) == 0);
}

TEST_CASE_METHOD(roaming, "The endpoint follows when only the port changes") {
  (*this)[a].address.port = 1024;
  send_packet(a);
  run_for(1s);
  CHECK(learned().port == 1024);
}

TEST_CASE_METHOD(roaming, "The endpoint follows a keepalive, an initiation and "
                          "a response") {
  (*this)[a].address = address_of(50);
  session(a).set_persistent_keepalive(1000s, at(a));
  collect(a);
  run_for(5s);
  CHECK(learned() == address_of(50));

  (*this)[a].address = address_of(51);
  lose([](const auto& message) {
    return message.type() == message_type::transport && message.from == 0;
  });
  session(a).initiate_handshake(at(a));
  collect(a);
  run_for(1s);
  CHECK(learned() == address_of(51));

  // b initiates, and a answers from yet another place.
  rule = [&](const sent_datagram& message) {
    if (message.type() == message_type::initiation) {
      inject(message.source, (*this)[a].address, message.content, 20ms);
      return fate{};
    }
    return message.type() == message_type::response ? fate{20ms} : fate{};
  };
  run_for(10s);
  (*this)[a].address = address_of(52);
  session(b).initiate_handshake(at(b));
  collect(b);
  run_for(1s);
  CHECK(learned() == address_of(52));
}

TEST_CASE_METHOD(roaming, "Messages that do not authenticate move no "
                          "endpoint") {
  const auto before = learned();
  send_packet(a);
  const auto genuine = trace.back().content;
  run_for(1s);
  // Replayed, forged, and with an index of nobody.
  inject(address_of(66), (*this)[b].address, genuine);
  for (std::size_t at : {4u, 8u, 20u, 130u}) {
    auto forged = genuine;
    forged.at(at) ^= std::byte{0x10};
    inject(address_of(66), (*this)[b].address, forged);
  }
  run_for(1s);
  CHECK(learned() == before);
  CHECK(received(b) == numbers{1});
}

TEST_CASE_METHOD(roaming, "Answers leave from the address that the packet came "
                          "to") {
  send_packet(a);
  run_for(1s);
  REQUIRE(session(b).path()->local);
  CHECK(session(b).path()->local->address == (*this)[b].address.address);
}

TEST_CASE_METHOD(roaming, "A source address does not survive a change of the "
                          "endpoint from IPv4 to IPv6") {
  send_packet(b);
  run_for(1s);
  REQUIRE(session(a).path()->local);
  session(a).set_endpoint((*this)[b].address);
  CHECK(session(a).path()->local); // nothing has changed
  session(a).set_endpoint(address_of(2, true));
  CHECK_FALSE(session(a).path()->local);
  (*this)[b].address = address_of(2, true);
  (*this)[a].address = address_of(1, true);
  send_packet(a);
  run_for(1s);
  CHECK(received(b) == numbers{1});
  send_packet(b);
  run_for(1s);
  CHECK_FALSE(session(a).path()->local->address.is_v4());
}

TEST_CASE_METHOD(roaming, "A source address that failed is forgotten, the "
                          "endpoint is not") {
  send_packet(b);
  run_for(1s);
  session(a).forget_source();
  CHECK_FALSE(session(a).path()->local);
  CHECK(session(a).path()->remote == (*this)[b].address);
  send_packet(a);
  run_for(1s);
  CHECK(received(b) == numbers{1});
}

TEST_CASE_METHOD(roaming, "The session goes on at an endpoint that was set") {
  (*this)[b].address = address_of(70);
  session(a).set_endpoint(address_of(70));
  send_packet(a);
  run_for(1s);
  CHECK(received(b) == numbers{1});
  CHECK(initiations(a) == 0);
}

TEST_CASE("A host whose endpoint nobody configured is reached once it has "
          "shaken hands") {
  network net;
  net.add_host();
  net.add_host();
  net.acquaint(0, 1, false);
  net[1].peer().forget_source(); // harmless without a path
  CHECK_FALSE(net[1].peer().path());
  net.send(1, 0, {make_packet(1), make_packet(2)});
  CHECK(net[1].peer().drops()[drop_reason::no_endpoint] == 2);
  CHECK(peer_session_access::staged(net[1].peer()) == 0);
  CHECK(net.trace.empty());
  net.send(0, 0, {make_packet(1)});
  net.run_for(1s);
  CHECK(net[1].peer().path()->remote == net[0].address);
  net.send(1, 0, {make_packet(3)});
  net.run_for(1s);
  CHECK(net[0].received[0] == numbers{3});
}
