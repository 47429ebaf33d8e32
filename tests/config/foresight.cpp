#include "config/foresight.hpp"

#include "support.hpp"
#include "tests/catch.hpp"

using namespace weft;
using namespace weft::test;

TEST_CASE("What would change is said in a sentence for each key, and secrets "
          "are not told") {
  node_config from;
  from.interface.private_key = key(8);
  from.peers.resize(2);
  from.peers[0].public_key = public_of(1);
  from.peers[0].name = "one";
  from.peers[0].allowed_ips = {prefix("10.0.0.0/24"), prefix("10.0.1.0/24")};
  from.peers[1].public_key = public_of(2);
  auto to = from;
  to.interface.mtu = 1280;
  to.interface.name = "wg9";
  to.interface.private_key = key(16);
  to.log.level = log_level::debug;
  to.offloads.udp = offload_mode::off;
  auto& one = to.peers[0];
  one.endpoint = parse_endpoint("192.0.2.1:7").value();
  one.preshared_key = key(24);
  one.allowed_ips = {prefix("10.0.1.0/24"), prefix("10.0.2.0/24")};
  to.peers[1].public_key = public_of(3);
  const auto found = foresee_changes(from, to);
  CHECK(found.peers_added == 1);
  CHECK(found.peers_changed == 1);
  CHECK(found.peers_removed == 1);
  CHECK(found.sentences
        == std::vector<std::string>{
          "interface.name: stays as it is until weftd is restarted",
          "interface.private_key: changes", "interface.mtu: 1420 -> 1280",
          "peer " + public_text(2) + ": is removed",
          "peer 'one': preshared_key: is set",
          "peer 'one': allowed_ips: +10.0.2.0/24 -10.0.0.0/24",
          "peer 'one': endpoint: none -> 192.0.2.1:7",
          "peer " + public_text(3) + ": is added", "log.level: info -> debug",
          "offloads.udp: auto -> off"});
}

TEST_CASE("Nothing is said of what stays, and not all of very much") {
  node_config from;
  from.peers.resize(1);
  from.peers[0].allowed_ips = {prefix("10.0.0.0/24"), prefix("10.0.1.0/24")};
  auto to = from;
  std::swap(to.peers[0].allowed_ips[0], to.peers[0].allowed_ips[1]);
  CHECK(foresee_changes(from, to).sentences.empty());
  CHECK(foresee_changes(from, to).peers_changed == 0);
  to.peers.clear();
  for (unsigned n = 0; n < foreseen_changes::most_sentences + 9; ++n)
    to.peers.emplace_back().public_key.bytes[n % 31] = std::byte(1 + n / 31);
  const auto found = foresee_changes({}, to);
  CHECK(found.sentences.size() == foreseen_changes::most_sentences + 1);
  CHECK(found.sentences.back() == "and 9 more");
}

TEST_CASE("A change of offloads is told key by key") {
  CHECK(describe_change({}, {}).empty());
  CHECK(describe_change({}, {offload_mode::off, offload_mode::on,
                             offload_mode::off})
        == std::vector<std::string>{"offloads.tun: auto -> off",
                                    "offloads.udp: auto -> on",
                                    "offloads.uring: auto -> off"});
}
