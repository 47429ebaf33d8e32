#include "actors/peers/lookup_schedule.hpp"

#include "tests/catch.hpp"

using namespace weft;
using namespace std::chrono_literals;

namespace {

host_endpoint host(unsigned number) {
  return {"host" + std::to_string(number) + ".test", 51820};
}

struct scheduled {
  scheduled() {
    most.at_a_time = 2;
    most.slow = 3;
    most.in_all = 6;
    names = lookup_schedule{most};
  }
  std::vector<host_endpoint> begin(duration after) {
    return names.begin(start + after);
  }
  void add(unsigned number, duration after = 0s) {
    names.add(host(number), start + after);
  }
  void finish(unsigned number, duration after) {
    names.finished(host(number), start + after);
  }

  lookup_schedule::limits most;
  lookup_schedule names;
  const time_point start{100s};
};

using hosts = std::vector<host_endpoint>;

} // namespace

TEST_CASE_METHOD(scheduled, "So many look-ups go on at a time, in order") {
  for (unsigned i = 1; i <= 4; ++i)
    add(i);
  CHECK(begin(0s) == hosts{host(1), host(2)});
  CHECK(begin(10ms).empty());
  finish(1, 20ms);
  CHECK(begin(20ms) == hosts{host(3)});
}

TEST_CASE_METHOD(scheduled,
                 "A name that is asked for twice is looked up once") {
  add(1);
  add(1);
  CHECK(begin(0s) == hosts{host(1)});
  add(1);
  CHECK(begin(1ms).empty());
  finish(1, 2ms);
  add(1);
  CHECK(begin(3ms) == hosts{host(1)});
}

TEST_CASE_METHOD(scheduled, "Names that nobody answers for make room after a "
                            "while") {
  for (unsigned i = 1; i <= 4; ++i)
    add(i);
  begin(0s);
  CHECK(names.next_change(start) == start + most.takes_long);
  CHECK(begin(999ms).empty());
  CHECK(begin(1s) == hosts{host(3), host(4)});
}

TEST_CASE_METHOD(scheduled, "Names that took long the last time come last, and "
                            "leave places free") {
  for (unsigned i = 1; i <= 4; ++i) {
    add(i);
    begin(duration{i * 10s});
    finish(i, i * 10s + 5s);
  }
  for (unsigned i = 1; i <= 4; ++i)
    add(i);
  add(7);
  CHECK(begin(100s) == hosts{host(7), host(1), host(2), host(3)});
  add(8);
  CHECK(begin(100s) == hosts{host(8)});
  // One that answers at once is as good as any other again.
  finish(1, 100s + 10ms);
  add(1);
  finish(7, 100s + 10ms);
  CHECK(begin(100s + 20ms) == hosts{host(1), host(4)});
}

TEST_CASE_METHOD(scheduled, "There are never more look-ups than the limit for "
                            "all") {
  for (unsigned i = 1; i <= 20; ++i)
    add(i);
  std::size_t begun = 0;
  for (int second = 0; second < 100; second += 2)
    begun += begin(std::chrono::seconds{second}).size();
  CHECK(begun == most.in_all);
}

TEST_CASE_METHOD(scheduled, "Whoever asks hears of a look-up that takes too "
                            "long, each time that it asks") {
  add(1);
  begin(0s);
  CHECK(names.too_long(start + 9s).empty());
  CHECK(names.next_change(start + 9s) == start + most.too_long);
  CHECK(names.too_long(start + 10s) == hosts{host(1)});
  CHECK(names.too_long(start + 11s).empty());
  CHECK_FALSE(names.next_change(start + 11s));
  add(1, 12s); // the look-up still goes on
  CHECK(begin(12s).empty());
  CHECK(names.too_long(start + 21s).empty());
  CHECK(names.too_long(start + 22s) == hosts{host(1)});
}

TEST_CASE_METHOD(scheduled, "A name that nobody waits for is not looked up") {
  add(1);
  add(2);
  names.remove(host(1));
  CHECK(begin(0s) == hosts{host(2)});
}
