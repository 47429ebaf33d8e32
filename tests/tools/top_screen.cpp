#include "example_device.hpp"
#include "tests/catch.hpp"
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/top_view.hpp"

#include <nlohmann/json.hpp>

#include <sstream>

using namespace weft;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

top_sample sample_of(const device_status& device, duration after = {}) {
  return {device, {time_point{} + 100h + after, example_now + after}};
}

std::vector<std::string>
names_of(const top_summary& summary, const top_view& view = {}) {
  std::vector<std::string> names;
  for (const auto* peer : view.choose(summary.peers))
    names.push_back(peer->name);
  return names;
}

peer_status peer_of(const std::string& name, unsigned char fill) {
  peer_status peer;
  peer.name = name;
  peer.public_key = example_key(fill);
  return peer;
}

} // namespace

TEST_CASE("rates are what two samples differ in, by the time between them") {
  const auto before = sample_of(example_device());
  auto device = example_device();
  auto& beta = device.peers[1];
  beta.rx_bytes += 4 << 20;
  beta.tx_bytes += 2048;
  device.drops[0].packets += 30;
  const auto summary = summarize(&before, sample_of(device, 2s));
  REQUIRE(summary.peers.size() == 2);
  CHECK(summary.peers[1].amount.rx_rate == 2 << 20);
  CHECK(summary.peers[1].amount.tx_rate == 1024);
  CHECK(summary.peers[1].amount.rx_bytes == beta.rx_bytes);
  CHECK(summary.amount.rx_rate == 2 << 20);
  CHECK(summary.amount.tx_rate == 1024);
  CHECK(summary.amount.tx_bytes == 5'002'048);
  CHECK(summary.drop_rate == 15);
  CHECK(summary.drops == 45);
}

TEST_CASE("there are no rates without a former sample or without time") {
  const auto sample = sample_of(example_device());
  for (const auto& summary :
       {summarize(nullptr, sample), summarize(&sample, sample)}) {
    CHECK(summary.amount.rx_rate == 0);
    CHECK(summary.amount.tx_rate == 0);
    CHECK(summary.drop_rate == 0);
    CHECK(summary.amount.tx_bytes == 5'000'000);
  }
}

TEST_CASE("a counter that has begun anew counts from zero") {
  const auto before = sample_of(example_device());
  auto device = example_device();
  device.peers[1].tx_bytes = 1000;
  device.drops[0].packets = 0;
  const auto summary = summarize(&before, sample_of(device, 1s));
  CHECK(summary.peers[1].amount.tx_rate == 1000);
  CHECK(summary.drop_rate == 3);
}

TEST_CASE("a peer that was not there before has no rate yet") {
  device_status empty;
  const auto before = sample_of(empty);
  const auto summary = summarize(&before, sample_of(example_device(), 1s));
  CHECK(summary.amount.tx_rate == 0);
}

TEST_CASE("the peers that are up are counted") {
  device_status device;
  device.peers = {peer_of("a", 1), peer_of("b", 2), peer_of("c", 3)};
  device.peers[1].state.word = peer_word::up;
  device.peers[2].state.word = peer_word::failing;
  CHECK(summarize(nullptr, sample_of(device)).up == 1);
}

TEST_CASE("peers are sorted by rate, then by totals, then by name") {
  device_status device;
  for (const auto* name : {"idle", "also-idle", "total", "busy"})
    device.peers.push_back(
      peer_of(name, static_cast<unsigned char>(device.peers.size() + 1)));
  device.peers[2].rx_bytes = 1000;
  const auto before = sample_of(device);
  device.peers[3].tx_bytes = 10;
  CHECK(names_of(summarize(&before, sample_of(device, 1s)))
        == std::vector<std::string>{"busy", "total", "also-idle", "idle"});
}

TEST_CASE("the screen has a header, titles, and a line for each peer") {
  const auto before = sample_of(example_device());
  auto device = example_device();
  device.peers[1].rx_bytes += 4 << 20;
  CHECK(format_top(summarize(&before, sample_of(device, 2s)), {100, 0})
        == "weft0: 2 peers, 0 up, port 51820, MTU 1420\n"
           "received 2.00 MiB/s, 4.00 MiB in all; sent 0 B/s, 4.76 MiB in all\n"
           "dropped 0/s, 15 in all\n"
           "\n"
           "PEER         ENDPOINT         STATE        AGE   RX/S   TX/S     RX"
           "     TX  TROUBLE\n"
           "beta         192.0.2.7:51820  failing     1m6s  2.00M      0  4.00M"
           "  4.76M  no answer\n"
           "MzMzMzMz...  -                disabled       -      0      0      0"
           "      0\n");
}

TEST_CASE("the widest peers fit 80 columns and show both ends of addresses") {
  device_status device;
  device.interface = "fifteen-letters";
  device.listen_port = 65535;
  device.mtu = 65535;
  auto peer = peer_of(std::string(64, 'n'), 1);
  peer.last_handshake = example_now - (99 * 24h + 23h);
  peer.rx_bytes = peer.tx_bytes = 1023 << 10;
  peer.endpoint
    = parse_endpoint("[2001:db8:1111:2222:3333:4444:5555:6666]:51820");
  device.peers.push_back(peer);
  auto second = peer_of("short", 2);
  second.endpoint = parse_endpoint("255.255.255.255:65535");
  device.peers.push_back(second);
  const auto lines
    = lines_of(format_top(summarize(nullptr, sample_of(device)), {80, 0}));
  REQUIRE(lines.size() == 7);
  for (const auto& line : lines)
    CHECK(display_width(line) <= 80);
  CHECK(display_width(lines[5]) == 80);
  CHECK(lines[5].find("nnnn..nn") != std::string::npos);
  CHECK(lines[5].find("[2001:") != std::string::npos);
  CHECK(lines[5].find("]:51820 ") != std::string::npos);
  CHECK(lines[6].find("255.255.255.255:65535 ") != std::string::npos);
  CHECK(lines[4].find("TX/S") + 4 == lines[5].find("1023K") - 2);

  const auto wide = format_top(summarize(nullptr, sample_of(device)), {200, 0});
  CHECK(wide.find(peer.name + "  " + to_string(*peer.endpoint))
        != std::string::npos);
}

TEST_CASE("the screen keeps to its size and says what is missing") {
  device_status device;
  for (int i = 0; i < 1000; ++i) {
    auto peer = peer_of("peer-" + std::to_string(i), 0);
    peer.public_key.bytes[0] = std::byte(i & 255);
    peer.public_key.bytes[1] = std::byte(i >> 8);
    peer.rx_bytes = static_cast<std::uint64_t>(i);
    device.peers.push_back(peer);
  }
  const auto summary = summarize(nullptr, sample_of(device));
  CHECK(lines_of(format_top(summary, {80, 0})).size() == 1005);
  const auto lines = lines_of(format_top(summary, {80, 24}));
  REQUIRE(lines.size() == 24);
  CHECK(lines[5].find("peer-999 ") == 0);
  CHECK(lines[22].find("peer-982 ") == 0);
  CHECK(lines[23] == "1-18 of 1000 peers; ? for help");
  for (std::size_t rows = 1; rows < 10; ++rows)
    CHECK(lines_of(format_top(summary, {80, rows})).size() <= rows);
  for (std::size_t columns = 0; columns < 100; ++columns)
    for (const auto& line : lines_of(format_top(summary, {columns, 8})))
      CHECK(display_width(line) <= columns);
}

TEST_CASE("a narrow screen keeps the names and cuts the last columns") {
  const auto summary = summarize(nullptr, sample_of(example_device()));
  const auto lines = lines_of(format_top(summary, {30, 0}));
  CHECK(lines.at(5).find("beta") == 0);
  CHECK(lines.at(5).find("failing") != std::string::npos);
  CHECK(lines.at(6).find("MzMz..z...") == 0);
}

TEST_CASE("a screen that all peers fit on says nothing of missing ones") {
  const auto summary = summarize(nullptr, sample_of(example_device()));
  CHECK(lines_of(format_top(summary, {80, 7})).size() == 7);
  CHECK(format_top(summary, {80, 7}).find("help") == std::string::npos);
  CHECK_THAT(format_top(summary, {80, 6}), Catch::EndsWith("\n2 peers\n"));
}

TEST_CASE("a screen without peers has titles") {
  const auto lines = lines_of(format_top(summarize(nullptr, {}), {80, 24}));
  REQUIRE(lines.size() == 5);
  CHECK(lines[4].find("PEER") == 0);
}

TEST_CASE("the header has a place for what went wrong") {
  top_view view;
  const auto text
    = format_top({}, {80, 24}, view, "no connection:\x1B[2J it was lost");
  CHECK(lines_of(text).at(3) == "no connection:?[2J it was lost");
}

TEST_CASE("a peer's name cannot steer the screen") {
  auto device = example_device();
  device.interface = "w\x1B";
  device.peers[1].name = "evil\x1B]0;title\x07\nforged";
  const auto text = format_top(summarize(nullptr, sample_of(device)), {80, 0});
  CHECK(text.find('\x1B') == std::string::npos);
  CHECK(lines_of(text).size() == 7);
}

TEST_CASE("the screen as JSON has rates, states and ages") {
  const auto before = sample_of(example_device());
  auto device = example_device();
  device.peers[1].rx_bytes += 1000;
  const auto text = format_top_json(summarize(&before, sample_of(device, 2s)));
  const auto out = nlohmann::json::parse(text);
  CHECK(out.at("interface") == "weft0");
  CHECK(out.at("up") == 0);
  CHECK(out.at("rx_rate") == 500);
  CHECK(out.at("drops") == 15);
  CHECK(out.at("peers").at(0) == nlohmann::json::parse(R"({
    "name": "beta",
    "public_key": "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI=",
    "endpoint": "192.0.2.7:51820",
    "state": "failing",
    "reason": "no answer",
    "cause": "no_answer",
    "tries": 18,
    "handshake_age": 66,
    "rx_bytes": 2536, "tx_bytes": 5000000, "rx_rate": 500, "tx_rate": 0
  })"));
  CHECK(out.at("peers").at(1).at("handshake_age").is_null());
  CHECK(out.at("peers").at(1).at("endpoint").is_null());
}
