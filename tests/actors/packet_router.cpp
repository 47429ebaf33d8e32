#include "actors/packets/packet_router.hpp"

#include "platform/tun_device.hpp"
#include "tests/actors/packets.hpp"
#include "tests/actors/support.hpp"

using namespace weft;
using namespace weft::test;

namespace {

/// A router with two peers, in slots 0 and 1, that have 10.0.0.2 and 10.0.0.3.
struct routed {
  routed() {
    peer_table table;
    allowed_ips allowed;
    for (std::uint32_t slot = 0; slot < 2; ++slot) {
      table.set(slot, peers[slot].handle());
      allowed.insert(
        *parse_ip_prefix("10.0.0." + std::to_string(slot + 2) + "/32"), slot);
    }
    router.set_routes(std::make_shared<routes>(
      allowed, table, std::make_shared<receiver_index_codec>(random)));
  }
  bool route(std::uint32_t slot, const offload_header& header = {}) {
    auto packet
      = numbered_packet(1, static_cast<std::uint8_t>(slot + 2), ++number);
    return router.route(header, packet);
  }

  deterministic_random random{71};
  world home;
  std::array<fake<peer_actor>, 2> peers{fake<peer_actor>{home},
                                        fake<peer_actor>{home}};
  packet_router router{1420};
  std::uint32_t number = 0;
};

} // namespace

TEST_CASE("While packets are thinned out, a peer has its share and others "
          "theirs") {
  routed here;
  here.router.begin_pass();
  for (std::size_t i = 0; i < 2 * fair_share::packets; ++i)
    CHECK(here.route(0));
  here.router.thin_out();
  CHECK_FALSE(here.route(0));
  CHECK_FALSE(here.route(0));
  for (std::size_t i = 0; i < fair_share::packets; ++i)
    CHECK(here.route(1));
  CHECK_FALSE(here.route(1));
  CHECK(here.router.drops()[drop_reason::queue_full] == 3);
  here.router.begin_pass();
  CHECK(here.route(0));
  here.router.flush();
}

TEST_CASE("As many packets are taken as have batches, where each may be "
          "another peer's") {
  routed here;
  CHECK(here.router.has_room());
  CHECK(here.router.room() >= tun_device::group_size); // one peer fills a batch
  here.router.begin_pass();
  CHECK(here.route(0));
  CHECK(here.route(1));
  CHECK(here.router.has_room());
  CHECK(here.router.room() == packet_router::pool_size - 2);
  here.router.flush();
}

TEST_CASE("Peers contend for as long as a second one is remembered") {
  fair_share share;
  CHECK_FALSE(share.is_contended());
  const auto pass = [&](std::uint32_t slot) {
    share.begin_pass();
    share.take(slot);
  };
  pass(7);
  pass(7);
  CHECK_FALSE(share.is_contended());
  pass(8);
  CHECK(share.is_contended());
  pass(7);
  for (std::uint64_t i = 1; i < fair_share::memory; ++i)
    pass(7);
  CHECK(share.is_contended());
  pass(7);
  CHECK_FALSE(share.is_contended());
}
