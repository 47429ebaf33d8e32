// Packets of the service that embeds an overlay: each is routed, or dropped
// and counted; and what arrives for the service is bounded.
//
// The input: packets, each with its length in front (two bytes).
#include "actors/packets/packet_port.hpp"
#include "config/device_status.hpp"
#include "tests/fuzz/support.hpp"

#include <numeric>

namespace {

using namespace weft;
using namespace weft::test;

/// Prefixes of both families, for peers that there are not: so every packet
/// ends as one that was dropped.
routes_ptr some_routes() {
  class zeros final : public random_source {
    void fill(byte_span out) override {
      std::fill(out.begin(), out.end(), std::byte{0});
    }
  } random;
  allowed_ips prefixes;
  std::uint32_t slot = 0;
  for (const auto* text : {"0.0.0.0/1", "10.0.0.0/8", "10.1.0.0/16", "::/1",
                           "fd00::/8", "fd00::1/128"})
    prefixes.insert(*parse_ip_prefix(text), slot++);
  return std::make_shared<const routes>(
    std::move(prefixes), peer_table{},
    std::make_shared<const receiver_index_codec>(random));
}

std::uint64_t total(const drop_counters& drops) {
  const auto counts = to_counts(drops, true);
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& one) {
                           return sum + one.packets;
                         });
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const auto table = some_routes();
  packet_router router{1420};
  router.set_routes(table);
  packet_batch gathered;
  std::uint64_t packets = 0;
  std::size_t taken = 0;
  const std::vector<std::byte> all{
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    reinterpret_cast<const std::byte*>(data),
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    reinterpret_cast<const std::byte*>(data) + size};
  const_byte_span rest{all};
  router.begin_pass();
  while (rest.size() >= 2) {
    const auto length = std::min<std::size_t>(
      load_be<std::uint16_t>(rest.data()), rest.size() - 2);
    // Alone in memory of its own, so that AddressSanitizer sees its end.
    std::vector<std::byte> packet(
      rest.begin() + 2, rest.begin() + 2 + static_cast<std::ptrdiff_t>(length));
    rest = rest.subspan(2 + length);
    require(router.has_room());
    std::ignore = router.route({}, packet);
    ++packets;
    taken += gathered.add(packet) ? 1U : 0U;
    if (packets % 7 == 0)
      router.flush();
  }
  router.flush();
  require(total(router.drops()) == packets);
  require(gathered.size() == taken);
  router.clear();
  return 0;
}
