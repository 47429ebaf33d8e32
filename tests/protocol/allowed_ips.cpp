#include "protocol/tunnel/allowed_ips.hpp"

#include "tests/catch.hpp"
#include "tests/protocol/support.hpp"

#include <atomic>
#include <map>
#include <new>
#include <thread>

using namespace weft;
using namespace weft::test;

// Nodes are the only over-aligned objects of these tests: counting them shows
// what is shared, copied and given back.
namespace {
std::atomic<long> live_nodes = 0;
std::atomic<long> made_nodes = 0;
} // namespace

void* operator new(std::size_t size, std::align_val_t alignment) {
  ++live_nodes;
  ++made_nodes;
  const auto align = static_cast<std::size_t>(alignment);
  if (auto* memory
      = std::aligned_alloc(align, (size + align - 1) / align * align))
    return memory;
  throw std::bad_alloc{};
}

void operator delete(void* memory, std::align_val_t) noexcept {
  --live_nodes;
  std::free(memory);
}

void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  --live_nodes;
  std::free(memory);
}

namespace {

using slot = allowed_ips::slot;

ip_prefix prefix_of(std::string_view text) {
  return parse_ip_prefix(text).value();
}

/// The owner of an address as text; "-" for nobody.
std::string owner_of(const allowed_ips& table, std::string_view address) {
  const auto found = table.lookup(parse_ip_address(address).value());
  return found ? std::to_string(*found) : "-";
}

/// The slowest possible table.
class linear_oracle {
public:
  void insert(const ip_prefix& prefix, slot owner) {
    entries_[prefix.network()] = owner;
  }
  bool erase(const ip_prefix& prefix, slot owner) {
    const auto found = entries_.find(prefix.network());
    if (found == entries_.end() || found->second != owner)
      return false;
    entries_.erase(found);
    return true;
  }
  std::optional<slot> lookup(const ip_address& address) const {
    const std::pair<const ip_prefix, slot>* best = nullptr;
    for (const auto& entry : entries_) {
      if (entry.first.contains(address)
          && (best == nullptr || entry.first.length > best->first.length))
        best = &entry;
    }
    if (best == nullptr)
      return std::nullopt;
    return best->second;
  }
  const std::map<ip_prefix, slot>& entries() const {
    return entries_;
  }

private:
  std::map<ip_prefix, slot> entries_;
};

/// Addresses that are close to each other, so that prefixes nest and meet.
ip_address random_address(deterministic_random& random) {
  ip_address address;
  address.family = random.below(2) == 0 ? ip_family::v4 : ip_family::v6;
  constexpr std::array<std::byte, 4> values{std::byte{0}, std::byte{1},
                                            std::byte{0x80}, std::byte{0xff}};
  for (std::size_t i = 0; i < address.size(); ++i)
    address.bytes[i] = values[random.below(i % 8 == 0 ? 4 : 2)];
  return address;
}

ip_prefix random_prefix(deterministic_random& random) {
  const auto address = random_address(random);
  return {address, static_cast<std::uint8_t>(random.below(address.bits() + 1))};
}

void check_equal(const allowed_ips& table, const linear_oracle& oracle,
                 deterministic_random& random, int probes) {
  REQUIRE(table.size() == oracle.entries().size());
  for (const auto& [prefix, owner] : oracle.entries()) {
    REQUIRE(table.find(prefix) == owner);
    REQUIRE(table.lookup(prefix.address) == oracle.lookup(prefix.address));
  }
  for (int i = 0; i < probes; ++i) {
    const auto address = random_address(random);
    REQUIRE(table.lookup(address) == oracle.lookup(address));
  }
}

} // namespace

TEST_CASE("the longest prefix that contains an IPv4 address owns it") {
  allowed_ips table;
  const std::vector<std::pair<const char*, slot>> prefixes{
    {"172.16.8.0/24", 1},   {"172.16.8.8/32", 2},   {"172.16.0.0/16", 3},
    {"203.0.113.64/27", 4}, {"203.0.113.65/27", 3}, {"10.3.0.0/17", 5},
    {"10.3.0.0/16", 6},     {"198.0.0.0/8", 7},     {"96.0.0.0/3", 8},
    {"100.64.0.1/32", 1},   {"100.64.0.2/32", 2},   {"100.64.0.4/30", 3},
    {"100.64.0.128/25", 4}, {"100.64.0.0/25", 5}};
  for (const auto& [text, owner] : prefixes)
    table.insert(prefix_of(text), owner);
  // 203.0.113.65/27 is the same network as .64/27.
  CHECK(table.size() == prefixes.size() - 1);
  const std::vector<std::pair<const char*, const char*>> expected{
    {"172.16.8.20", "1"},     {"172.16.8.8", "2"},   {"172.16.8.9", "1"},
    {"172.16.9.0", "3"},      {"172.16.0.0", "3"},   {"172.16.255.255", "3"},
    {"203.0.113.64", "3"},    {"203.0.113.95", "3"}, {"203.0.113.80", "3"},
    {"10.3.0.1", "5"},        {"10.3.127.255", "5"}, {"10.3.128.0", "6"},
    {"10.3.255.255", "6"},    {"198.51.100.1", "7"}, {"198.0.0.0", "7"},
    {"198.255.255.255", "7"}, {"96.0.0.0", "8"},     {"127.255.255.255", "8"},
    {"100.64.0.1", "1"},      {"100.64.0.2", "2"},   {"100.64.0.0", "5"},
    {"100.64.0.5", "3"},      {"100.64.0.8", "5"},   {"100.64.0.129", "4"},
    {"100.64.1.0", "8"}};
  for (const auto& [address, owner] : expected) {
    CAPTURE(address);
    CHECK(owner_of(table, address) == owner);
  }
  for (const auto* address : {"172.17.0.0", "172.15.255.255", "203.0.113.63",
                              "203.0.113.96", "10.4.0.0", "95.255.255.255",
                              "128.0.0.0", "199.0.0.0", "::", "::ac10:808"}) {
    CAPTURE(address);
    CHECK(owner_of(table, address) == "-");
  }
}

TEST_CASE("the longest prefix that contains an IPv6 address owns it") {
  allowed_ips table;
  const std::vector<std::pair<const char*, slot>> prefixes{
    {"2001:db8:40::/48", 1},
    {"2001:db8:40:1::/64", 2},
    {"2001:db8:40:1::9/128", 3},
    {"2001:db8:40:1:8000::/65", 4},
    {"2001:db8:80:aaaa::/61", 5},
    {"fd00:5::8:0:0/94", 6},
    {"::/0", 7},
    {"ff00::/8", 8}};
  for (const auto& [text, owner] : prefixes)
    table.insert(prefix_of(text), owner);
  const std::vector<std::pair<const char*, const char*>> expected{
    {"2001:db8:40::1", "1"},
    {"2001:db8:40:ffff::", "1"},
    {"2001:db8:40:1::8", "2"},
    {"2001:db8:40:1::9", "3"},
    {"2001:db8:40:1:8000::9", "4"},
    {"2001:db8:40:1:ffff::", "4"},
    {"2001:db8:40:1:7fff::", "2"},
    {"2001:db8:80:aaa8::", "5"},
    {"2001:db8:80:aaaf::1", "5"},
    {"2001:db8:80:aab0::", "7"},
    {"fd00:5::8:0:0", "6"},
    {"fd00:5::b:ffff:ffff", "6"},
    {"fd00:5::8:3:ffff", "6"},
    {"fd00:5::c:0:0", "7"},
    {"::", "7"},
    {"::1", "7"},
    {"ff02::1", "8"},
    {"feff::1", "7"}};
  for (const auto& [address, owner] : expected) {
    CAPTURE(address);
    CHECK(owner_of(table, address) == owner);
  }
  // The IPv6 default route says nothing about IPv4.
  CHECK(owner_of(table, "0.0.0.0") == "-");
  REQUIRE(table.erase(prefix_of("::/0"), 7));
  CHECK(owner_of(table, "2001:db8:41::") == "-");
  CHECK(owner_of(table, "::1") == "-");
}

TEST_CASE("a prefix that is given to another leaves its former owner") {
  allowed_ips table;
  CHECK(table.insert(prefix_of("10.0.0.0/8"), 1) == std::nullopt);
  CHECK(table.insert(prefix_of("10.0.0.0/8"), 1) == std::nullopt);
  CHECK(table.insert(prefix_of("10.99.0.0/8"), 2) == 1u);
  CHECK(table.size() == 1);
  CHECK(owner_of(table, "10.1.1.1") == "2");
  CHECK_FALSE(table.erase(prefix_of("10.0.0.0/8"), 1));
  CHECK(owner_of(table, "10.1.1.1") == "2");
  CHECK(table.erase(prefix_of("10.0.0.1/8"), 2));
  CHECK_FALSE(table.erase(prefix_of("10.0.0.0/8"), 2));
  CHECK(table.size() == 0);
  CHECK(owner_of(table, "10.1.1.1") == "-");
}

TEST_CASE("find() wants exactly the prefix, and finds no mere branch") {
  allowed_ips table;
  table.insert(prefix_of("10.0.0.0/24"), 1);
  table.insert(prefix_of("10.0.1.0/24"), 2); // branch at 10.0.0.0/23
  CHECK(table.find(prefix_of("10.0.0.77/24")) == 1u);
  CHECK_FALSE(table.find(prefix_of("10.0.0.0/23")));
  CHECK_FALSE(table.find(prefix_of("10.0.0.0/25")));
  CHECK_FALSE(table.find(prefix_of("10.0.2.0/24")));
  CHECK_FALSE(table.find(prefix_of("::/24")));
  CHECK_FALSE(table.erase(prefix_of("10.0.0.0/23"), 0));
  CHECK(owner_of(table, "10.0.1.1") == "2");
  table.insert(prefix_of("10.0.0.0/23"), 3);
  CHECK(table.find(prefix_of("10.0.0.0/23")) == 3u);
  CHECK(table.size() == 3);
}

TEST_CASE("owners may be any number") {
  allowed_ips table;
  table.insert(prefix_of("10.0.0.0/8"), 0);
  table.insert(prefix_of("11.0.0.0/8"), 0xffffffff);
  CHECK(owner_of(table, "10.0.0.1") == "0");
  CHECK(owner_of(table, "11.0.0.1") == "4294967295");
  CHECK(owner_of(table, "12.0.0.1") == "-");
}

TEST_CASE("a chain of 128 nested IPv6 prefixes finds each of its links") {
  const auto nodes_before = live_nodes.load();
  {
    ip_address deepest{ip_family::v6, {}};
    deepest.bytes.fill(std::byte{0xff});
    allowed_ips table;
    for (unsigned length = 0; length <= 128; ++length)
      table.insert({deepest, static_cast<std::uint8_t>(length)}, length);
    CHECK(table.size() == 129);
    for (unsigned bit = 0; bit < 128; ++bit) {
      // The address that leaves the chain at `bit`.
      auto address = deepest;
      address.bytes[bit / 8] ^= std::byte{0x80} >> (bit % 8);
      REQUIRE(table.lookup(address) == bit);
    }
    CHECK(table.lookup(deepest) == 128u);
    const auto copy = table;
    for (unsigned length = 0; length <= 128; length += 2)
      REQUIRE(
        table.erase({deepest, static_cast<std::uint8_t>(length)}, length));
    CHECK(table.lookup(deepest) == 127u);
    CHECK(copy.lookup(deepest) == 128u);
    CHECK(copy.size() == 129);
    CHECK(table.size() == 64);
  }
  CHECK(live_nodes == nodes_before);
}

TEST_CASE("a trie agrees with a linear search through any sequence of "
          "changes") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    deterministic_random random{seed};
    allowed_ips table;
    linear_oracle oracle;
    CAPTURE(seed);
    for (int change = 0; change < 400; ++change) {
      const auto owner = static_cast<slot>(random.below(5));
      if (random.below(3) != 0 || oracle.entries().empty()) {
        const auto prefix = random_prefix(random);
        const auto known = oracle.entries().find(prefix.network());
        std::optional<slot> former;
        if (known != oracle.entries().end() && known->second != owner)
          former = known->second;
        oracle.insert(prefix, owner);
        REQUIRE(table.insert(prefix, owner) == former);
      } else {
        auto victim = oracle.entries().begin();
        std::advance(victim, random.below(oracle.entries().size()));
        const auto prefix = victim->first;
        REQUIRE(table.erase(prefix, owner) == oracle.erase(prefix, owner));
      }
      if (change % 40 == 0)
        check_equal(table, oracle, random, 50);
    }
    check_equal(table, oracle, random, 300);
  }
}

TEST_CASE("erasing gives back all nodes but those that are needed") {
  const auto before = live_nodes.load();
  deterministic_random random{81};
  allowed_ips table;
  linear_oracle oracle;
  for (int i = 0; i < 500; ++i) {
    const auto prefix = random_prefix(random);
    table.insert(prefix, 1);
    oracle.insert(prefix, 1);
  }
  auto left = oracle.entries();
  while (!left.empty()) {
    // A tree whose branches all have two children.
    REQUIRE(live_nodes - before <= 2 * static_cast<long>(left.size()));
    REQUIRE(live_nodes - before >= static_cast<long>(left.size()));
    auto victim = left.begin();
    std::advance(victim, random.below(left.size()));
    REQUIRE(table.erase(victim->first, 1));
    left.erase(victim);
  }
  CHECK(table.size() == 0);
  CHECK(live_nodes == before);
}

TEST_CASE("a copy stays as it was while the original changes, and the other "
          "way around") {
  const auto nodes_before = live_nodes.load();
  {
    deterministic_random random{82};
    allowed_ips table;
    linear_oracle oracle;
    std::vector<std::pair<allowed_ips, linear_oracle>> snapshots;
    for (int change = 0; change < 600; ++change) {
      const auto prefix = random_prefix(random);
      if (random.below(3) == 0 && !oracle.entries().empty()) {
        const auto [victim, owner] = *oracle.entries().begin();
        REQUIRE(table.erase(victim, owner));
        oracle.erase(victim, owner);
      } else {
        const auto owner = static_cast<slot>(random.below(1000));
        table.insert(prefix, owner);
        oracle.insert(prefix, owner);
      }
      if (change % 50 == 0) {
        snapshots.emplace_back(table, oracle);
        // And a copy that goes its own way.
        auto branch = table;
        for (int i = 0; i < 20; ++i)
          branch.insert(random_prefix(random), 5000);
      }
    }
    check_equal(table, oracle, random, 200);
    for (const auto& [copy, expected] : snapshots)
      check_equal(copy, expected, random, 100);
  }
  CHECK(live_nodes == nodes_before);
}

TEST_CASE("a change beside a copy copies one path, a change without a copy "
          "nothing") {
  deterministic_random random{83};
  allowed_ips table;
  for (int i = 0; i < 20000; ++i) {
    ip_address address;
    random.fill({address.bytes.data(), 4});
    table.insert({address, 32}, 1);
  }
  const auto added = prefix_of("192.0.2.0/26");
  auto made = made_nodes.load();
  table.insert(added, 2);
  CHECK(made_nodes - made <= 2);
  made = made_nodes;
  table.erase(added, 2);
  CHECK(made_nodes == made);

  const auto copy = table;
  CHECK(made_nodes == made);
  table.insert(added, 2);
  CHECK(made_nodes - made > 2);
  CHECK(made_nodes - made <= 34);
  // The path is the owner's own from now on.
  made = made_nodes;
  table.insert(prefix_of("192.0.2.0/27"), 3);
  CHECK(made_nodes - made <= 2);
  CHECK_FALSE(copy.find(added));

  // Nothing new is nothing to copy.
  const auto second = table;
  made = made_nodes;
  table.insert(added, 2);
  table.erase(added, 99);
  CHECK(made_nodes == made);
  CHECK(second.size() == table.size());
}

TEST_CASE("a table that was moved from is empty and may be used again") {
  allowed_ips table;
  table.insert(prefix_of("10.0.0.0/8"), 1);
  auto other = std::move(table);
  CHECK(other.size() == 1);
  CHECK(table.size() == 0); // NOLINT(*-use-after-move,*-cplusplus.Move)
  CHECK(owner_of(table, "10.0.0.1") == "-");
  table.insert(prefix_of("11.0.0.0/8"), 2); // NOLINT(*-cplusplus.Move)
  CHECK(table.size() == 1);
  other = std::move(table);
  CHECK(owner_of(other, "10.0.0.1") == "-");
  CHECK(owner_of(other, "11.0.0.1") == "2");
}

TEST_CASE("copies are read on other threads while their owner goes on "
          "changing") {
  const auto nodes_before = live_nodes.load();
  {
    deterministic_random random{84};
    allowed_ips table;
    std::vector<ip_prefix> prefixes;
    for (int i = 0; i < 300; ++i) {
      prefixes.push_back(random_prefix(random).network());
      table.insert(prefixes.back(), 1);
    }
    for (int round = 0; round < 20; ++round) {
      std::atomic<bool> wrong = false;
      // The reader owns its copy and is the last to let go of old nodes.
      std::thread reader{[copy = table, &prefixes, &wrong, round] {
        for (int pass = 0; pass < 20; ++pass) {
          for (const auto& prefix : prefixes) {
            if (copy.find(prefix) != static_cast<slot>(round + 1))
              wrong = true;
          }
          auto other = copy;
          other.insert(prefixes[0], 0);
          if (other.size() != copy.size())
            wrong = true;
        }
      }};
      for (const auto& prefix : prefixes) {
        table.erase(prefix, static_cast<slot>(round + 1));
        table.insert(prefix, static_cast<slot>(round + 2));
      }
      reader.join();
      REQUIRE_FALSE(wrong);
    }
  }
  CHECK(live_nodes == nodes_before);
}
