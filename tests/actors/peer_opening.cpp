// Peers whose packets workers open.
#include "tests/actors/helped_tunnel.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

TEST_CASE_METHOD(helped_opening, "Chains that workers open in another order "
                                 "reach the host in the order of arrival, and "
                                 "what came meanwhile behind them") {
  std::vector<cipher_work> works;
  while (works.size() < cipher_desk::jobs_a_worker) {
    send_and_carry(full);
    works.push_back(to_open());
  }
  send_and_carry(2);
  send_and_carry(full); // no place is left
  while (!works.empty()) {
    CHECK(received().empty());
    perform(works.back());
    works.pop_back();
  }
  CHECK(received() == all);
  CHECK(opener.count<cipher_work>() == 0);
}

TEST_CASE_METHOD(helped_opening, "Of two copies that are opened at a time one "
                                 "counts, and a forged one costs nobody else") {
  send(numbered(full));
  const auto sent = a.sent(home);
  REQUIRE(sent.size() == 1);
  carry(sent[0], left.address, right, b.actor);
  const auto first = to_open();
  const auto forged = sent[0].batch->datagrams[3];
  forged[forged.size() - 1] ^= std::byte{1};
  carry(sent[0], left.address, right, b.actor);
  const auto second = to_open();
  perform(second);
  perform(first);
  CHECK(received() == all);
  CHECK(drops(b, drop_reason::replayed) == full - 1);
  CHECK(drops(b, drop_reason::invalid_tag) == 1);
  // What is known to be a copy is not opened any more.
  carry(sent[0], left.address, right, b.actor);
  received();
  CHECK(opener.count<cipher_work>() == 0);
  CHECK(drops(b, drop_reason::replayed) == 2 * full - 1);
}

TEST_CASE_METHOD(helped_opening,
                 "An endpoint follows, and sources are looked at "
                 "with the routes of their arrival, when it is "
                 "their turn") {
  send(numbered(full));
  const auto before = left.address;
  left.address = endpoint_of("192.0.2.77:7");
  carry_all();
  const auto work = to_open();
  right.allow({{"10.0.0.1/32", 3}});
  CHECK(b.report(home).status.endpoint == before);
  perform(work);
  CHECK(received() == all);
  CHECK(b.report(home).status.endpoint == left.address);
  send_and_carry(full);
  perform(to_open());
  received();
  CHECK(drops(b, drop_reason::wrong_source) == full);
}

TEST_CASE_METHOD(helped_opening, "A session that a chain confirms is confirmed "
                                 "in its turn") {
  send_with_new_session();
  const auto handshake = b.report(home).status.last_handshake;
  carry_all();
  const auto work = to_open();
  CHECK(b.report(home).status.last_handshake == handshake);
  perform(work);
  CHECK(received() == all);
  CHECK(b.report(home).status.last_handshake != handshake);
}

TEST_CASE_METHOD(helped_opening, "What belongs to a session that has ended "
                                 "reaches no host, and is counted") {
  send_and_carry(full);
  const auto begun_work = to_open();
  send_and_carry(full);
  const auto waiting_work = to_open();
  auto begun = begun_work.job->begin();
  REQUIRE(begun);
  caf::anon_send(b.actor, change_identity{right.self, false});
  b.report(home);
  CHECK_FALSE(waiting_work.job->begin());
  begun->perform();
  CHECK(received().empty());
  CHECK(drops(b, drop_reason::expired_session) == 2 * full);
}

TEST_CASE_METHOD(helped_opening, "What a worker fails to open is lost and "
                                 "counted, what it never looked at is not") {
  send_and_carry(full);
  {
    const auto work = to_open();
    const auto begun = work.job->begin();
    REQUIRE(begun);
  }
  CHECK(received().empty());
  CHECK(drops(b, drop_reason::worker_failed) == full);
  all.clear();
  send_and_carry(full);
  to_open();
  CHECK(received() == all);
}

TEST_CASE_METHOD(helped_opening, "What comes in behind a worker leaves two "
                                 "batches to others") {
  const auto pool = std::make_shared<incoming_pool>(4);
  for (const auto count : {full, full, std::size_t{1}})
    send_in_batch_of(pool, count);
  const auto first = to_open();
  const auto second = to_open();
  CHECK(drops(b, drop_reason::overload) == 1);
  CHECK(pool->left() == 2);
  perform(second);
  perform(first);
  all.pop_back();
  CHECK(received() == all);
}

TEST_CASE_METHOD(helped_opening, "What comes in behind a worker is not dropped "
                                 "because the host has all batches") {
  const auto pool = std::make_shared<incoming_pool>(4);
  const std::array held{pool->acquire(), pool->acquire()};
  for (const auto count : {full, std::size_t{1}})
    send_in_batch_of(pool, count);
  const auto work = to_open();
  CHECK(pool->left() == 0);
  CHECK(drops(b, drop_reason::overload) == 0);
  perform(work);
  CHECK(received() == all);
}
