#include "config/node_memory.hpp"

#include "support.hpp"
#include "tests/catch.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr wall_time now{std::chrono::seconds{1'700'000'000}};

node_memory example() {
  node_memory memory;
  memory.self = public_of(1);
  memory.last_stamp = now - 3s + 17ns;
  memory.peers[public_of(2)]
    = {parse_endpoint("[2001:db8::1]:7"), "beta.example.net:51820",
       to_tai64n(now - 9s), true, now - 9s};
  memory.peers[public_of(3)] = {std::nullopt, "", {}, false, now};
  return memory;
}

} // namespace

TEST_CASE("What a node remembers is read as it was written") {
  const auto read = parse_memory(format_memory(example()), now);
  REQUIRE(read);
  CHECK(*read == example());
  CHECK(*parse_memory(format_memory({}), now) == node_memory{});
}

TEST_CASE("A memory that is cut off, changed or of another version is none") {
  const auto text = format_memory(example());
  for (std::size_t size = 0; size + 1 < text.size(); ++size)
    CHECK_FALSE(parse_memory(text.substr(0, size), now));
  auto other = text;
  other.replace(other.find('1'), 1, "2");
  CHECK(parse_memory(other, now).error().find("another version")
        != std::string::npos);
  other = text;
  other.replace(other.find("peer "), 5, "pear ");
  CHECK(parse_memory(other, now).error() == "line 4 is broken");
  std::mt19937 random{5};
  for (int i = 0; i < 3000; ++i)
    std::ignore = parse_memory(mutate(text, random), now); // ends, somehow
}

TEST_CASE("A stamp of a peer that is more than a day ahead is not remembered, "
          "so that it locks nobody out") {
  auto memory = example();
  auto& stamp = memory.peers[public_of(2)].newest_initiation;
  stamp = to_tai64n(now + 24h);
  CHECK(parse_memory(format_memory(memory), now)
          ->peers.at(public_of(2))
          .newest_initiation
        == stamp);
  stamp = to_tai64n(now + 24h + 1s);
  CHECK(is_too_far_ahead(stamp, now));
  CHECK(parse_memory(format_memory(memory), now)
          ->peers.at(public_of(2))
          .newest_initiation
        == tai64n{});
}

TEST_CASE("Peers that nobody heard of for a month are forgotten") {
  const auto text = format_memory(example());
  const auto later = [&](std::chrono::hours after) {
    return parse_memory(text, now + after)->peers.size();
  };
  CHECK(later(29 * 24h) == 2);
  CHECK(later(30 * 24h) == 1);
  CHECK(later(31 * 24h) == 0);
}
