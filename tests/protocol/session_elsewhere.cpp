// Packets that others seal and open for a session.
#include "tests/catch.hpp"
#include "tests/sim/network.hpp"

#include <algorithm>
#include <thread>

namespace {

using namespace weft;
using namespace weft::test;

struct shared_session : pair_network {
  shared_session() {
    establish();
    // The first one that arrives confirms the session.
    send_packet(a);
    run_for(1s);
  }

  /// A batch of packets that are not sealed yet.
  datagram_buffer& packets(std::size_t count) {
    buffer.clear();
    for (std::size_t i = 0; i < count; ++i)
      std::fill_n(buffer.add(100, 112).data(), 100, std::byte{0x45});
    return buffer;
  }
  /// What `a` sends, sealed by someone else.
  datagram_buffer& sealed(std::size_t count) {
    auto& batch = packets(count);
    const auto order = session(a).reserve(batch, at(a));
    REQUIRE(order);
    seal_batch(*order, batch);
    return batch;
  }
  bool open_elsewhere(byte_span datagram) {
    auto* keys = session(b).admit(datagram, at(b));
    REQUIRE(keys);
    transport_cipher cipher{keys->receive.sharing_key()};
    return open_datagram(cipher, datagram);
  }

  std::vector<std::byte> memory = std::vector<std::byte>(65536);
  datagram_buffer buffer{memory};
};

using status = peer_session::open_status;

} // namespace

TEST_CASE_METHOD(shared_session, "What others seal with reserved counters is "
                                 "opened like the session's own, and counted "
                                 "when they were reserved") {
  const auto before = session(a).sent();
  auto& batch = packets(3);
  const auto order = session(a).reserve(batch, at(a));
  REQUIRE(order);
  CHECK(session(a).sent().packets == before.packets + 3);
  CHECK(session(a).sent().bytes == before.bytes + 3 * (112 + 32));
  seal_batch(*order, batch);
  CHECK(counter_of(batch[0]) == order->counter);
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(session(b).open(batch[i], at(b)).status == status::packet);
  // Nobody else has those counters.
  REQUIRE(session(a).send(packets(1), at(a))
          == peer_session::send_status::sealed);
  CHECK(counter_of(buffer[0]) == order->counter + 3);
}

TEST_CASE_METHOD(shared_session, "Without usable keys packets wait, and no "
                                 "counters are reserved for them") {
  run_for(180s);
  CHECK_FALSE(session(a).reserve(packets(2), at(a)));
  CHECK(peer_session_access::staged(session(a)) == 2);
}

TEST_CASE_METHOD(shared_session, "What was opened elsewhere counts once, when "
                                 "the session is told of it") {
  auto& batch = sealed(2);
  const auto before = session(b).received().packets;
  REQUIRE(open_elsewhere(batch[0]));
  CHECK(session(b).admit(batch[0], at(b)) != nullptr); // nobody has said so yet
  CHECK(session(b).received().packets == before);
  const auto opened = session(b).settle(batch[0], true, at(b));
  CHECK(opened.status == status::packet);
  CHECK(opened.packet.size() == 112);
  CHECK(session(b).received().packets == before + 1);
  CHECK(session(b).settle(batch[0], true, at(b)).status == status::dropped);
  CHECK(session(b).admit(batch[0], at(b)) == nullptr);
  CHECK(session(b).drops()[drop_reason::replayed] == 2);
  CHECK(session(b).settle(batch[1], false, at(b)).status == status::dropped);
  CHECK(session(b).drops()[drop_reason::invalid_tag] == 1);
  // Its counter is not used up.
  CHECK(session(b).admit(batch[1], at(b)) != nullptr);
}

TEST_CASE_METHOD(shared_session, "What the replay window has left behind while "
                                 "others opened it does not count") {
  const auto first = sealed(1)[0];
  std::vector<std::byte> late{first.begin(), first.end()};
  REQUIRE(open_elsewhere(late));
  auto& batch = packets(1);
  auto order = session(a).reserve(batch, at(a));
  REQUIRE(order);
  order->counter += replay_window::width;
  seal_batch(*order, batch);
  REQUIRE(session(b).open(batch[0], at(b)).status == status::packet);
  CHECK(session(b).settle(late, true, at(b)).status == status::dropped);
  CHECK(session(b).drops()[drop_reason::replayed] == 1);
}

TEST_CASE_METHOD(shared_session,
                 "Nothing is admitted for an old session or for "
                 "none, and what comes back late finds none") {
  auto& batch = sealed(2);
  REQUIRE(open_elsewhere(batch[0]));
  const auto epoch = session(b).epoch();
  SECTION("of 180 s") {
    run_for(180s);
    CHECK(session(b).admit(batch[1], at(b)) == nullptr);
    CHECK(session(b).drops()[drop_reason::expired_session] == 1);
    CHECK(session(b).epoch() == epoch);
  }
  SECTION("that has ended") {
    session(b).set_identity(nullptr);
    CHECK(session(b).admit(batch[1], at(b)) == nullptr);
    CHECK(session(b).settle(batch[0], true, at(b)).status == status::dropped);
    CHECK(session(b).drops()[drop_reason::unknown_index] == 2);
    CHECK(session(b).epoch() == epoch + 1);
  }
}

TEST_CASE_METHOD(shared_session, "A key that others share outlives its session "
                                 "until they let go of it") {
  auto order = session(a).reserve(packets(1), at(a));
  REQUIRE(order);
  const std::weak_ptr<const secret<key_size>> key{order->key};
  session(a).set_identity(nullptr);
  CHECK(key.use_count() == 1);
  order.reset();
  CHECK(key.expired());
}

TEST_CASE("A thread of its own can seal and open once it is prepared") {
  bool ready = false;
  bool same = false;
  std::thread([&] {
    ready = prepare_ciphers();
    const secret<key_size> key;
    std::vector<std::byte> text(64 + transport_tag_size);
    const auto plain = text;
    transport_cipher(key).seal(9, text);
    same = transport_cipher(key).open(9, text)
           && std::equal(text.begin(), text.begin() + 64, plain.begin());
  }).join();
  CHECK(ready);
  CHECK(same);
}
