#include "messages/batch_pool.hpp"

#include "messages/batches.hpp"
#include "platform/udp_socket.hpp"
#include "tests/actors/message_log.hpp"

#include <set>

using namespace weft;
using namespace weft::test;

namespace {

class item : public pooled<item> {
public:
  inline static std::atomic<int> alive{0};
  item() {
    ++alive;
  }
  ~item() {
    --alive;
  }
  void clear() {
    content = 0;
  }
  int content = 0;
  std::atomic<int> lent{0};
};

using item_pool = batch_pool<item>;
using item_ptr = item_pool::pointer;

} // namespace

TEST_CASE("A pool lends each of its buffers to one holder at a time") {
  const auto pool = std::make_shared<item_pool>(3);
  std::vector<item_ptr> held{pool->acquire(), pool->acquire(), pool->acquire()};
  CHECK(std::set<item*>{held[0].get(), held[1].get(), held[2].get()}.size()
        == 3);
  for (const auto& one : held)
    CHECK(one);
  CHECK_FALSE(pool->acquire());
  const auto* returned = held[1].get();
  held[1].reset();
  held[1] = pool->acquire();
  CHECK(held[1].get() == returned);
  CHECK_FALSE(pool->acquire());
}

TEST_CASE("A pool of 64 buffers, the most there can be, lends all of them") {
  const auto pool = std::make_shared<item_pool>(64);
  std::set<item_ptr> held;
  for (int i = 0; i < 64; ++i)
    held.insert(pool->acquire());
  CHECK(held.size() == 64);
  CHECK(held.count(nullptr) == 0);
  CHECK_FALSE(pool->acquire());
}

TEST_CASE("Buffers are made when they are first needed, and used again") {
  const auto before = item::alive.load();
  const auto pool = std::make_shared<item_pool>(8);
  CHECK(item::alive == before);
  for (int i = 0; i < 100; ++i)
    CHECK(pool->acquire());
  CHECK(item::alive == before + 1);
}

TEST_CASE("A buffer comes back cleared") {
  const auto pool = std::make_shared<item_pool>(1);
  pool->acquire()->content = 7;
  CHECK(pool->acquire()->content == 0);
}

TEST_CASE("A buffer comes back with the last of its references") {
  const auto pool = std::make_shared<item_pool>(1);
  auto first = pool->acquire();
  auto second = first;
  first.reset();
  CHECK_FALSE(pool->acquire());
  second.reset();
  CHECK(pool->acquire());
}

TEST_CASE("Whoever starved is woken exactly once, by the first buffer that "
          "comes back") {
  const auto pool = std::make_shared<item_pool>(3);
  int woken = 0;
  pool->on_available([&] { ++woken; });
  auto a = pool->acquire();
  auto b = pool->acquire();
  auto c = pool->acquire();
  c.reset();
  CHECK(woken == 0); // nobody starved
  c = pool->acquire();
  CHECK_FALSE(pool->acquire());
  CHECK_FALSE(pool->acquire());
  CHECK(woken == 0);
  a.reset();
  CHECK(woken == 1);
  b.reset();
  c.reset();
  CHECK(woken == 1);
  // And again the next time.
  a = pool->acquire();
  b = pool->acquire();
  c = pool->acquire();
  CHECK_FALSE(pool->acquire());
  b.reset();
  CHECK(woken == 2);
}

TEST_CASE("The buffer that wakes whoever starved is there to be acquired") {
  const auto pool = std::make_shared<item_pool>(1);
  item_ptr got;
  pool->on_available([&] { got = pool->acquire(); });
  auto held = pool->acquire();
  CHECK_FALSE(pool->acquire());
  held.reset();
  CHECK(got);
}

TEST_CASE("Nobody is woken who no longer wants to be") {
  const auto pool = std::make_shared<item_pool>(1);
  int woken = 0;
  pool->on_available([&] { ++woken; });
  auto held = pool->acquire();
  CHECK_FALSE(pool->acquire());
  pool->on_available(nullptr);
  held.reset();
  CHECK(woken == 0);
}

TEST_CASE("A buffer that another thread gives back wakes as well") {
  const auto pool = std::make_shared<item_pool>(1);
  message_log log;
  pool->on_available([&] { log.push(std::this_thread::get_id()); });
  auto held = pool->acquire();
  CHECK_FALSE(pool->acquire());
  std::thread other([given = std::move(held)]() mutable { given.reset(); });
  const auto id = other.get_id();
  CHECK(log.next<std::thread::id>() == id);
  other.join();
  CHECK(pool->acquire());
}

TEST_CASE("No wake-up is lost and no buffer lent twice between threads") {
  const auto pool = std::make_shared<item_pool>(3);
  message_log woken;
  pool->on_available([&] { woken.push(1); });
  std::mutex mutex;
  std::deque<item_ptr> handed;
  std::atomic<bool> done{false};
  std::atomic<int> lent_twice{0};
  const auto give_back = [&] {
    for (;;) {
      item_ptr next;
      {
        const std::lock_guard guard(mutex);
        if (!handed.empty()) {
          next = std::move(handed.front());
          handed.pop_front();
        } else if (done) {
          return;
        }
      }
      if (next)
        --next->lent;
      else
        std::this_thread::yield();
    }
  };
  std::thread first(give_back);
  std::thread second(give_back);
  for (int i = 0; i < 20000;) {
    auto one = pool->acquire();
    if (!one) {
      woken.next<int>(); // fails if a wake-up is lost
      continue;
    }
    if (++one->lent != 1)
      ++lent_twice;
    ++i;
    const std::lock_guard guard(mutex);
    handed.push_back(std::move(one));
  }
  done = true;
  first.join();
  second.join();
  CHECK(lent_twice == 0);
  std::vector<item_ptr> all{pool->acquire(), pool->acquire(), pool->acquire()};
  CHECK((all[0] && all[1] && all[2]));
}

TEST_CASE("Beyond the pool a buffer is made, which ends with its holder") {
  const auto before = item::alive.load();
  const auto pool = std::make_shared<item_pool>(1);
  int woken = 0;
  pool->on_available([&] { ++woken; });
  const auto pooled_one = pool->acquire_or_make();
  auto extra = pool->acquire_or_make();
  CHECK(extra);
  CHECK(extra != pooled_one);
  CHECK(item::alive == before + 2);
  extra.reset();
  CHECK(item::alive == before + 1);
  // Nobody waits: whoever asked got one.
  CHECK(woken == 0);
}

TEST_CASE("What was made beyond the pool does not swallow a wake-up") {
  const auto pool = std::make_shared<item_pool>(1);
  int woken = 0;
  pool->on_available([&] { ++woken; });
  auto held = pool->acquire_or_make();
  const auto extra = pool->acquire_or_make();
  CHECK_FALSE(pool->acquire());
  held.reset();
  CHECK(woken == 1);
}

TEST_CASE("A pool lives as long as one of its buffers is lent out") {
  const auto before = item::alive.load();
  auto pool = std::make_shared<item_pool>(2);
  const std::weak_ptr<item_pool> watched = pool;
  auto held = pool->acquire();
  pool->acquire();
  pool.reset();
  CHECK_FALSE(watched.expired());
  held->content = 1;
  held.reset();
  CHECK(watched.expired());
  CHECK(item::alive == before);
}

TEST_CASE("An outgoing batch is cleared for its next use, and has room for a "
          "super-packet in segments of any usual MTU") {
  const auto pool = std::make_shared<outgoing_pool>(1);
  for (int round = 0; round < 2; ++round) {
    const auto batch = pool->acquire();
    REQUIRE(batch);
    CHECK(batch->datagrams.empty());
    CHECK(batch->datagrams.used() == 0);
    for (std::size_t sent = 0; sent < 65535; sent += 1280 - 60)
      CHECK(batch->datagrams.add(1280, 1280).size() == 1280);
  }
}

TEST_CASE("An incoming batch takes as much as one receive call yields") {
  const auto pool = std::make_shared<incoming_pool>(1);
  {
    const auto batch = pool->acquire();
    CHECK(batch->memory().size()
          >= udp_socket::receive_stride * udp_socket::max_messages);
    batch->datagrams.push_back({batch->memory().first(40), 0});
    batch->paths.emplace_back();
  }
  const auto batch = pool->acquire();
  CHECK(batch->datagrams.empty());
  CHECK(batch->paths.empty());
}
