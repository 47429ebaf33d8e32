// Cryptokey routing with few and many prefixes.
#include "protocol/tunnel/allowed_ips.hpp"

#include "tests/protocol/support.hpp"
#include "tools/bench/micro/support.hpp"

#include <vector>

namespace {

using namespace weft;

/// Addresses that are looked up in turn; a power of two.
constexpr std::size_t asked = 4096;

/// Prefixes as an overlay has them: IPv4 networks of /16 to /32 within
/// 10.0.0.0/8, or IPv6 networks of /48 to /128 within fd00::/8.
class population {
public:
  population(ip_family family, std::size_t size) {
    prefixes_.reserve(size);
    while (table_.size() < size) {
      const auto prefix = make(family).network();
      if (table_.find(prefix))
        continue;
      table_.insert(prefix, static_cast<allowed_ips::slot>(table_.size()));
      prefixes_.push_back(prefix);
    }
  }

  /// An address within a random one of the prefixes.
  ip_address inside() {
    const auto& prefix = prefixes_[random_.below(prefixes_.size())];
    auto result = prefix.address;
    for (unsigned bit = prefix.length; bit < result.bits(); ++bit) {
      if (random_.below(2) != 0)
        result.bytes[bit / 8] |= std::byte{0x80} >> (bit % 8);
    }
    return result;
  }
  const std::vector<ip_prefix>& prefixes() const {
    return prefixes_;
  }
  allowed_ips& table() {
    return table_;
  }

private:
  ip_prefix make(ip_family family) {
    ip_prefix prefix;
    prefix.address.family = family;
    random_.fill(byte_span{prefix.address.bytes}.first(prefix.address.size()));
    const auto v4 = family == ip_family::v4;
    prefix.address.bytes[0] = v4 ? std::byte{10} : std::byte{0xfd};
    prefix.length = static_cast<std::uint8_t>(v4 ? 16 + random_.below(17)
                                                 : 48 + random_.below(81));
    return prefix;
  }

  test::deterministic_random random_;
  allowed_ips table_;
  std::vector<ip_prefix> prefixes_;
};

void look_up(benchmark::State& state, ip_family family) {
  population all(family, static_cast<std::size_t>(state.range(0)));
  std::vector<ip_address> addresses;
  addresses.reserve(asked);
  for (std::size_t i = 0; i < asked; ++i)
    addresses.push_back(all.inside());
  std::size_t next = 0;
  for (auto _ : state)
    benchmark::DoNotOptimize(all.table().lookup(addresses[next++ % asked]));
}
BENCHMARK_CAPTURE(look_up, v4, ip_family::v4)->Arg(1)->Arg(1000)->Arg(100000);
BENCHMARK_CAPTURE(look_up, v6, ip_family::v6)->Arg(1)->Arg(1000)->Arg(100000);

/// One prefix goes to another peer while readers hold a snapshot: the cost of
/// a change in a table that others see.
void change_under_snapshot(benchmark::State& state) {
  population all(ip_family::v4, static_cast<std::size_t>(state.range(0)));
  const auto& prefixes = all.prefixes();
  std::size_t next = 0;
  for (auto _ : state) {
    const auto snapshot = all.table();
    all.table().insert(prefixes[next % prefixes.size()],
                       static_cast<allowed_ips::slot>(next + 1));
    ++next;
    benchmark::DoNotOptimize(snapshot.size());
  }
}
BENCHMARK(change_under_snapshot)->Arg(1)->Arg(1000)->Arg(100000);

} // namespace
