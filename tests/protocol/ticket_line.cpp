#include "protocol/tunnel/ticket_line.hpp"

#include "tests/catch.hpp"
#include "tests/protocol/support.hpp"

#include <memory>

using namespace weft;
using namespace weft::test;

namespace {

using line_of_numbers = ticket_line<int>;

std::vector<int> all_ready(line_of_numbers& line) {
  std::vector<int> ready;
  while (const auto next = line.pop_ready())
    ready.push_back(*next);
  return ready;
}

} // namespace

TEST_CASE("What was finished in any order leaves a line in the order of its "
          "tickets") {
  deterministic_random random{GENERATE(1U, 2U, 3U, 4U)};
  line_of_numbers line;
  std::vector<std::pair<ticket_number, int>> under_way;
  std::vector<int> left;
  int begun = 0;
  constexpr int count = 1000;
  while (left.size() < count) {
    if (begun < count && under_way.size() < 16 && random.below(2) == 0) {
      under_way.emplace_back(line.reserve(), begun++);
    } else if (!under_way.empty()) {
      const auto which
        = under_way.begin()
          + static_cast<std::ptrdiff_t>(random.below(under_way.size()));
      CHECK(line.complete(which->first, which->second));
      under_way.erase(which);
    }
    for (const auto number : all_ready(line))
      left.push_back(number);
  }
  for (int i = 0; i < count; ++i)
    REQUIRE(left[static_cast<std::size_t>(i)] == i);
  CHECK(line.empty());
}

TEST_CASE("The oldest ticket holds up those behind it until it is complete") {
  line_of_numbers line;
  const auto first = line.reserve();
  const auto second = line.reserve();
  CHECK(line.complete(second, 2));
  CHECK_FALSE(line.pop_ready());
  CHECK(line.size() == 2);
  CHECK(line.complete(first, 1));
  CHECK(all_ready(line) == std::vector{1, 2});
  CHECK(line.empty());
}

TEST_CASE("A ticket that is cancelled holds up nobody") {
  line_of_numbers line;
  const auto first = line.reserve();
  const auto second = line.reserve();
  const auto third = line.reserve();
  CHECK(line.complete(third, 3));
  CHECK(line.cancel(second));
  CHECK_FALSE(line.pop_ready());
  CHECK(line.cancel(first));
  CHECK(all_ready(line) == std::vector{3});
  const auto last = line.reserve();
  CHECK(line.cancel(last));
  CHECK_FALSE(line.pop_ready());
  CHECK(line.empty());
}

TEST_CASE("A ticket counts once, and not after the line was cleared") {
  line_of_numbers line;
  const auto done = line.reserve();
  CHECK(line.complete(done, 1));
  CHECK_FALSE(line.complete(done, 2));
  CHECK_FALSE(line.cancel(done));
  CHECK(all_ready(line) == std::vector{1});
  CHECK_FALSE(line.complete(done, 3));
  const auto former = line.reserve();
  line.clear();
  CHECK(line.empty());
  const auto later = line.reserve();
  CHECK_FALSE(line.complete(former, 4));
  CHECK_FALSE(line.cancel(former));
  CHECK_FALSE(line.complete(later + 1, 5)); // it was never given out
  CHECK(line.complete(later, 6));
  CHECK(all_ready(line) == std::vector{6});
}

TEST_CASE("A line says how far it has come") {
  line_of_numbers line;
  CHECK(line.first() == line.next());
  const auto one = line.reserve();
  const auto before = line.next();
  const auto other = line.reserve();
  CHECK(line.first() == one);
  CHECK(line.complete(one, 1));
  CHECK(line.first() == one);
  all_ready(line);
  CHECK(line.first() == before);
  CHECK(line.cancel(other));
  all_ready(line);
  CHECK(line.first() == line.next());
}

TEST_CASE("A line lets go of what left it, or was in it when it was cleared") {
  ticket_line<std::shared_ptr<int>> line;
  const auto item = std::make_shared<int>(1);
  CHECK(line.complete(line.reserve(), item));
  line.pop_ready();
  CHECK(item.use_count() == 1);
  CHECK(line.complete(line.reserve(), item));
  line.clear();
  CHECK(item.use_count() == 1);
}
