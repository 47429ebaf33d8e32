#include "protocol/network/allocation.hpp"
#include "protocol/network/ranges.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/network_support.hpp"

#include <set>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

struct pool {
  explicit pool(const std::vector<std::string>& ranges, std::uint8_t v4 = 28,
                std::uint8_t v6 = 64)
    : slices(prefixes_of(ranges), v4, v6) {
  }

  /// What somebody gets now, or the reason why not.
  std::string next() {
    auto found = slices.find_free(now);
    if (!found)
      return std::string{to_string(found.error().why)};
    slices.take(*found);
    std::string text;
    for (const auto& each : *found)
      text += (text.empty() ? "" : " ") + to_string(each);
    return text;
  }
  std::string want(const std::string& prefix) {
    const auto wanted = prefixes_of({prefix});
    if (const auto obstacle = slices.find_obstacle(wanted, now))
      return std::string{to_string(obstacle->why)};
    slices.take(wanted);
    return "taken over";
  }
  void release(const std::string& prefix) {
    slices.release(prefixes_of({prefix}), now);
  }

  address_pool slices;
  network_time now = noon;
};

} // namespace

TEST_CASE("Everybody gets a slice of each family") {
  pool both({"10.200.0.0/16", "fd00:200::/48"});
  CHECK(both.next() == "10.200.0.0/28 fd00:200::/64");
  CHECK(both.next() == "10.200.0.16/28 fd00:200:0:1::/64");
  pool v6({"fd00:200::/48"}, 28, 128);
  CHECK(v6.next() == "fd00:200::/128");
  CHECK(v6.next() == "fd00:200::1/128");
}

TEST_CASE("Ranges are used one after the other, and exhausted ones say so") {
  pool small({"10.0.0.0/30", "10.1.0.0/31", "255.255.255.254/31"}, 31);
  CHECK(small.next() == "10.0.0.0/31");
  CHECK(small.next() == "10.0.0.2/31");
  CHECK(small.next() == "10.1.0.0/31");
  CHECK(small.next() == "255.255.255.254/31");
  CHECK(small.next() == "exhausted");
  const auto error = small.slices.find_free(noon).error();
  CHECK_THAT(error.what, Catch::Contains("10.0.0.0/30 in slices of /31"));
  CHECK_THAT(error.what, Catch::Contains("remove members"));
}

TEST_CASE("A slice rests for a day after its member was removed") {
  pool small({"10.0.0.0/30"}, 31);
  small.next();
  small.next();
  small.release("10.0.0.0/31");
  CHECK(small.next() == "exhausted");
  CHECK(small.want("10.0.0.0/31") == "taken");
  small.now += 24h - 1s;
  CHECK(small.next() == "exhausted");
  small.now += 1s;
  CHECK(small.next() == "10.0.0.0/31");
  CHECK(small.next() == "exhausted");
}

TEST_CASE("Who is invited with a prefix gets it, and others go around it") {
  pool slices({"10.0.0.0/24"}, 28);
  CHECK(slices.want("10.0.0.16/30") == "taken over");
  CHECK(slices.want("10.0.0.64/26") == "taken over");
  CHECK(slices.want("10.0.0.16/28") == "taken");
  CHECK(slices.want("10.0.0.18/32") == "taken");
  CHECK(slices.want("10.0.0.0/24") == "taken");
  CHECK(slices.want("10.0.1.0/28") == "outside_ranges");
  CHECK(slices.want("10.0.0.0/23") == "outside_ranges");
  CHECK(slices.next() == "10.0.0.0/28");
  CHECK(slices.next() == "10.0.0.32/28");
  CHECK(slices.next() == "10.0.0.48/28");
  CHECK(slices.next() == "10.0.0.128/28");
}

TEST_CASE("Whatever comes and goes, no address is two members'") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    deterministic_random random(seed);
    address_pool slices(prefixes_of({"10.0.0.0/26", "10.9.0.0/27"}), 30, 64);
    std::vector<ip_prefix> held;
    std::vector<std::pair<network_time, ip_prefix>> resting;
    auto now = noon;
    const auto is_unused = [&](const ip_prefix& prefix) {
      const auto clashes
        = [&](const ip_prefix& each) { return overlaps(each, prefix); };
      return std::none_of(held.begin(), held.end(), clashes)
             && std::none_of(resting.begin(), resting.end(), [&](auto& each) {
                  return each.first + 24h > now && clashes(each.second);
                });
    };
    bool sound = true;
    for (int step = 0; step < 3000; ++step) {
      now += std::chrono::minutes(random.below(120));
      const auto choice = random.below(5);
      if (choice < 2 && !held.empty()) {
        const auto index = random.below(held.size());
        const auto gone = held[index];
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(index));
        resting.emplace_back(now, gone);
        slices.release({&gone, 1}, now);
        continue;
      }
      ip_prefix wanted = prefix_of("10.0.0.0/29");
      wanted.address.bytes[3] = std::byte(8 * random.below(8));
      if (choice == 2) {
        const bool free = !slices.find_obstacle({&wanted, 1}, now);
        sound = sound && free == is_unused(wanted);
        if (!free)
          continue;
      } else {
        const auto found = slices.find_free(now);
        if (!found)
          continue;
        wanted = found->front();
        sound = sound && is_unused(wanted);
      }
      slices.take({&wanted, 1});
      held.push_back(wanted);
    }
    CHECK(sound);
  }
}
