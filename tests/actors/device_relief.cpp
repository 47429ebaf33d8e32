#include "actors/packets/device_relief.hpp"

#include "platform/processor_time.hpp"
#include "tests/actors/desk_with.hpp"
#include "tests/actors/support.hpp"

using namespace weft;
using namespace weft::test;

namespace {

/// A lane whose device others read and write, at the test's word.
struct relieved_lane {
  relieved_lane() {
    relief = std::make_shared<device_relief>(
      lane.loop, std::vector{other.loop},
      std::vector<device_relief::queue>{{own.handle(), its_relief.handle()}},
      writer.handle(), desk);
  }

  /// Has the lane's thread work for so much of one window of the loop's time.
  void work_for(duration used) {
    lane.run([this, used] {
      const auto time
        = [&] { return *processor_time(lane.loop->thread_number()); };
      for (const auto until = time() + used; time() < until;)
        ;
      now += loop_load::window;
      relief->look_around(now);
    });
  }
  /// Whom the reader that has the turn is to give it to; nothing: it was told
  /// nothing.
  static std::optional<caf::strong_actor_ptr>
  told(fake<queue_reader_actor>& reader) {
    reader.settle();
    const auto all = reader.take<give_turn>();
    if (all.empty())
      return std::nullopt;
    return all.back().to;
  }
  std::optional<bool> writes_elsewhere() {
    writer.settle();
    const auto all = writer.take<write_elsewhere>();
    return all.empty() ? std::nullopt : std::optional{all.back().wanted};
  }
  caf::strong_actor_ptr address_of(const fake<queue_reader_actor>& reader) {
    return caf::actor_cast<caf::strong_actor_ptr>(reader.handle());
  }
  void make_busy() {
    work_for({});
    for (unsigned i = 0; i < loop_load::to_begin; ++i)
      work_for(loop_load::window);
  }

  world home;
  test_loop lane = home.start_loop("lane");
  test_loop other = home.start_loop("other");
  fake<queue_reader_actor> own{home};
  fake<queue_reader_actor> its_relief{home};
  fake<helped_writer_actor> writer{home};
  fake<cipher_worker_actor> worker{home};
  std::shared_ptr<cipher_desk> desk = desk_with(worker);
  time_point now{std::chrono::hours{1}};
  std::shared_ptr<device_relief> relief; ///< of the lane's thread
};

} // namespace

TEST_CASE_METHOD(relieved_lane,
                 "A lane that is at its end has others read and "
                 "write its device, until there is little to do") {
  work_for({});
  for (unsigned i = 0; i < 2 * loop_load::to_begin; ++i)
    work_for(loop_load::window / 4);
  CHECK_FALSE(told(own));
  CHECK_FALSE(writes_elsewhere());
  make_busy();
  CHECK(lane.run([this] { return relief->is_on(); }));
  CHECK(told(own) == address_of(its_relief));
  CHECK(told(its_relief) == caf::strong_actor_ptr{});
  CHECK(writes_elsewhere() == true);
  for (unsigned i = 0; i <= loop_load::to_end; ++i)
    work_for({});
  CHECK_FALSE(lane.run([this] { return relief->is_on(); }));
  CHECK(told(own) == caf::strong_actor_ptr{});
  CHECK(told(its_relief) == address_of(own));
  CHECK(writes_elsewhere() == false);
}

TEST_CASE_METHOD(relieved_lane,
                 "A lane is relieved only while a core is idle") {
  lane.run([this] { desk->open(false); });
  make_busy();
  CHECK_FALSE(told(own));
  lane.run([this] { desk->open(true); });
  work_for(loop_load::window);
  CHECK(told(own) == address_of(its_relief));
  lane.run([this] { desk->open(false); });
  work_for(loop_load::window);
  CHECK(told(its_relief) == address_of(own));
  CHECK(writes_elsewhere() == false);
}
