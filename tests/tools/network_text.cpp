#include "tools/weft/view/network_text.hpp"

#include "example_device.hpp"
#include "tests/catch.hpp"
#include "tools/weft/view/status_text.hpp"

#include <nlohmann/json.hpp>

using namespace weft;
using namespace std::chrono_literals;
using Catch::Contains;
using nlohmann::json;

namespace {

network_status connected() {
  network_status network;
  network.name = "prod";
  network.member = "beta";
  network.directory = "alpha.example.net:51821";
  network.since = example_now - 2h - 3min;
  network.members = 5;
  network.peers = 4;
  network.certificate_ends = example_now + 80 * 24h;
  network.list_issued = example_now - 20min;
  network.epoch = 3;
  return network;
}

} // namespace

TEST_CASE("a node that is in no network says nothing of one") {
  const auto device = example_device();
  CHECK_THAT(format_table(device, example_now), !Contains("network"));
  CHECK(json::parse(format_json({device})).at(0).at("network").is_null());
}

TEST_CASE("the status shows the node as a member of its network") {
  auto device = example_device();
  device.network = connected();
  const auto text = format_table(device, example_now);
  CHECK_THAT(text, Contains("network     prod, member beta, directory "
                            "alpha.example.net:51821 for 2h3m\n"));
  CHECK_THAT(text, Contains("5 members, 4 of them peers, certificate ends in "
                            "80d"));
  CHECK_THAT(text, Contains("list of revocations of 20m ago"));
  CHECK_THAT(text, !Contains("trouble") && !Contains("refused"));
}

TEST_CASE("the status says what is wrong with the network") {
  auto device = example_device();
  auto& network = device.network.emplace(connected());
  network.directory.clear();
  network.since = example_now - 64s;
  network.trouble = "no directory \x1B[2J answers";
  network.clock_suspect = true;
  network.certificate_ends = example_now + 13 * 24h;
  network.list_issued = example_now - 25h;
  network.refused = {{"bad_signature", 7}, {"taken", 1}};
  const auto text = format_table(device, example_now);
  CHECK_THAT(text, Contains("without a directory for 1m4s"));
  CHECK_THAT(text, Contains("trouble: no directory") && !Contains("\x1B"));
  CHECK_THAT(text, Contains("trouble: the clock is not believed"));
  CHECK_THAT(text, Contains("trouble: certificate ends in 13d"));
  CHECK_THAT(text, Contains("trouble: list of revocations of 1d1h ago"));
  CHECK_THAT(text, Contains("refused, bad_signature 7, taken 1"));
  network.certificate_ends = example_now - 1s;
  CHECK_THAT(format_table(device, example_now),
             Contains("trouble: certificate has ended"));
}

TEST_CASE("the JSON states everything about the network") {
  auto device = example_device();
  device.network = connected();
  device.network->refused = {{"stale", 2}};
  CHECK(json::parse(format_json({device})).at(0).at("network")
        == json::parse(R"({
          "name": "prod",
          "member": "beta",
          "directory": "alpha.example.net:51821",
          "trouble": null,
          "since": 1699992620,
          "members": 5,
          "peers": 4,
          "certificate_ends": 1706912000,
          "list_issued": 1699998800,
          "clock_suspect": false,
          "epoch": 3,
          "refused": {"stale": 2}
        })"));
}
