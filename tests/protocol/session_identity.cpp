#include "tests/catch.hpp"
#include "tests/sim/network.hpp"

namespace {

using namespace weft;
using namespace weft::test;

using numbers = std::vector<std::uint64_t>;

struct identity_network : pair_network {
  private_key key = generate_private_key((*this)[a].random());

  std::shared_ptr<const identity> fresh() const {
    return std::make_shared<identity>(key);
  }
};

} // namespace

TEST_CASE_METHOD(identity_network, "A new private key ends the sessions, and a "
                                   "handshake with it follows at once") {
  // b knows the new key from the beginning: its second peer.
  establish();
  host future(77, 5);
  future.change_identity(key);
  (*this)[b].add_peer(future);

  (*this)[a].change_identity(key);
  CHECK_FALSE(session(a).session_created());
  send_packet(a);
  CHECK(initiations(a) == 1);
  run_for(1s);
  CHECK((*this)[b].received[1] == numbers{1});
  CHECK((*this)[b].received[0].empty());
}

TEST_CASE_METHOD(identity_network, "Packets that wait when the private key "
                                   "changes are sent with the new one") {
  host future(77, 5);
  future.change_identity(key);
  (*this)[b].add_peer(future);
  lose_all();
  send_packet(a);
  run_for(2s);
  lose_nothing();
  (*this)[a].change_identity(key);
  session(a).start(at(a));
  collect(a);
  run_for(1s);
  CHECK((*this)[b].received[1] == numbers{1});
}

TEST_CASE_METHOD(identity_network, "A response to an initiation of the former "
                                   "key is refused") {
  send_packet(a);
  run_for(30ms);
  REQUIRE(peer_session_access::has_pending(session(a)));
  session(a).set_identity(fresh());
  CHECK_FALSE(peer_session_access::has_pending(session(a)));
  run_for(20ms);
  CHECK_FALSE(session(a).session_created());
  CHECK(session(a).drops()[drop_reason::invalid_handshake] == 1);
}

TEST_CASE_METHOD(identity_network, "Messages of sessions of the former key are "
                                   "refused") {
  establish();
  send_packet(b);
  session(a).set_identity(fresh());
  run_for(1s);
  CHECK(received(a).empty());
  CHECK(session(a).drops()[drop_reason::unknown_index] == 1);
}

TEST_CASE_METHOD(identity_network, "Without a private key a session is silent, "
                                   "and it starts once there is one") {
  establish();
  const auto self = (*this)[a].self();
  session(a).set_identity(nullptr);
  send_packet(a);
  session(a).initiate_handshake(at(a));
  session(a).set_persistent_keepalive(5s, at(a));
  collect(a);
  // Nor does it answer.
  session(b).initiate_handshake(at(b));
  run_for(6s);
  session(b).initiate_handshake(at(b));
  collect(b);
  run_for(4s);
  CHECK(initiations(b) >= 1);
  CHECK(count(message_type::response, a) == 0);
  CHECK(count(message_type::transport, a) == 0);
  CHECK(initiations(a) == 0);

  session(a).set_identity(self);
  session(a).start(at(a));
  collect(a);
  run_for(1s);
  CHECK(received(b) == numbers{1});
}

TEST_CASE_METHOD(identity_network, "start() alone sends nothing when nothing "
                                   "waits") {
  session(a).start(at(a));
  CHECK_FALSE(session(a).has_transmit());
  session(a).set_identity(nullptr);
  session(a).start(at(a));
  CHECK_FALSE(session(a).has_transmit());
}

TEST_CASE_METHOD(identity_network, "A known peer can be updated while packets "
                                   "flow") {
  establish();
  for (int round = 0; round < 20; ++round) {
    session(a).set_endpoint((*this)[b].address);
    session(a).set_preshared_key({});
    session(a).set_persistent_keepalive(std::chrono::seconds(round % 3), at(a));
    session(b).set_persistent_keepalive(std::chrono::seconds(round % 2), at(b));
    collect(a);
    collect(b);
    send_packet(a);
    send_packet(b);
    run_for(700ms);
  }
  CHECK(received(a).size() == 20);
  CHECK(received(b).size() == 20);
  CHECK(initiations(a) + initiations(b) == 0);
}
