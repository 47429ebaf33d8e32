#include "actors/loop/deadline_queue.hpp"

#include "tests/catch.hpp"

#include <vector>

using namespace weft;
using namespace std::chrono_literals;

namespace {

/// Deadlines that record their number.
struct numbered {
  deadline_id at(duration when, int number, const void* owner = nullptr) {
    return queue.add(start + when, owner,
                     [this, number] { called.push_back(number); });
  }
  std::vector<int> call(duration now) {
    called.clear();
    queue.call_due(start + now);
    return called;
  }

  const time_point start{100s};
  deadline_queue queue;
  std::vector<int> called;
};

using numbers = std::vector<int>;

} // namespace

TEST_CASE_METHOD(numbered, "Deadlines are called in the order of time, each "
                           "once, and those of one time as they were added") {
  CHECK_FALSE(queue.next());
  at(3s, 1);
  at(1s, 2);
  at(2s, 3);
  at(1s, 4);
  CHECK(queue.next() == start + 1s);
  CHECK(call(1s - 1ns).empty());
  CHECK(call(2s) == numbers{2, 4, 3});
  CHECK(queue.next() == start + 3s);
  CHECK(call(1h) == numbers{1});
  CHECK_FALSE(queue.next());
}

TEST_CASE_METHOD(numbered, "A deadline that was removed is not called, though "
                           "it is due with the one that removes it") {
  deadline_id victim;
  queue.add(start + 1s, nullptr, [&] { queue.remove(victim); });
  victim = at(1s, 1);
  const auto other = at(1s, 2);
  CHECK(call(1s) == numbers{2});
  queue.remove(other); // has passed
  queue.remove({});    // never was
  CHECK_FALSE(queue.next());
}

TEST_CASE_METHOD(numbered, "All of one owner are removed, and none of others") {
  const int one = 0;
  const int other = 0;
  at(1s, 1, &one);
  at(2s, 2, &other);
  at(3s, 3, &one);
  queue.remove_all(&one);
  CHECK(call(1h) == numbers{2});
}

TEST_CASE_METHOD(numbered, "A deadline that one adds is called at the next "
                           "look, also when it is due already") {
  queue.add(start + 1s, nullptr, [&] { at(0s, 1); });
  CHECK(call(1s).empty());
  CHECK(call(1s) == numbers{1});
}
