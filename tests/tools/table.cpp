#include "example_device.hpp"
#include "tests/catch.hpp"
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/status_text.hpp"

#include <sstream>

using namespace weft;
using namespace std::chrono_literals;

namespace {

void check_fits(const std::string& table) {
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    CHECK(display_width(line) <= table_width);
    CHECK((line.empty() || line.back() != ' '));
  }
}

std::string line_with(const std::string& table, const std::string& text) {
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);)
    if (line.find(text) != std::string::npos)
      return line;
  return {};
}

} // namespace

TEST_CASE("the table shows a device and its peers in aligned columns") {
  auto device = example_device();
  sort_peers(device);
  const std::string expected
    = "weft0\n"
      "  state       link up, 0 of 2 peers up, running for 2d, version 1.2.3\n"
      "  public key  ERERERERERERERERERERERERERERERERERERERERERE=\n"
      "  addresses   10.0.0.1/24\n"
      "  routes      10.0.0.0/16\n"
      "  settings    port 51820, MTU 1420, firewall mark 0xca6c, 2 peers\n"
      "  dropped     no_route 12, replayed 3\n"
      "\n"
      "  PEER         STATE     ENDPOINT         HANDSHAKE   RECEIVED      "
      "SENT\n"
      "  beta         failing   192.0.2.7:51820  1m4s ago    1.50 KiB  4.76 "
      "MiB\n"
      "               state   failing for 1m30s: no answer\n"
      "               allows  10.0.0.2/32, fd00::2/128\n"
      "               also    resolved from beta.example.net:51820,\n"
      "                       keepalive every 25s, restarted 1 time\n"
      "  MzMzMzMz...  disabled  -                never            0 B       0 "
      "B\n"
      "               allows  nothing\n";
  CHECK(format_table(device, example_now) == expected);
}

TEST_CASE("the table tells sessions, packets and each peer's drops if asked") {
  auto device = example_device();
  sort_peers(device);
  device.peers[0].session_age = 61s;
  device.peers[0].drops = {{"replayed", 3}, {"bad_source", 0}, {"stale", 1}};
  const auto table = format_table(device, example_now, {true});
  check_fits(table);
  CHECK(table.find("               more    received 3 packets, sent 4000 "
                   "packets,\n"
                   "                       session began 1m1s ago\n"
                   "               drops   replayed 3, stale 1\n")
        != std::string::npos);
  CHECK(table.find("no session") != std::string::npos);
  CHECK(format_table(device, example_now).find("session") == std::string::npos);
}

TEST_CASE("the table of a bare device says what is missing") {
  device_status device;
  device.interface = "wg0";
  CHECK(format_table(device, example_now)
        == "wg0\n"
           "  state       link up\n"
           "  public key  none\n"
           "  settings    port none, 0 peers\n");
}

TEST_CASE("the table says how many cores are used, if there is more than one") {
  auto device = example_device();
  const auto line
    = [&] { return line_with(format_table(device, example_now), "cores"); };
  CHECK(line().empty());
  device.cores.in_use = 2;
  CHECK(line() == "  cores       2 in use, just now none is idle");
  device.cores = {3, 0, true, 40, 20, 10};
  CHECK(line() == "  cores       3 in use, handed over 40 of 70 full batches");
  device.cores = {1, 1, false, 0, 0, 0};
  CHECK(line() == "  cores       1 in use, 1 thread failed");
}

TEST_CASE("the widest addresses, names and numbers fit 80 columns") {
  device_status device;
  device.interface = "fifteen-letters";
  device.listen_port = 65535;
  device.mtu = 65535;
  device.fwmark = 0xFFFFFFFF;
  for (const auto* reason :
       {"unknown_receiver", "replayed_counter", "not_allowed_source",
        "truncated_datagram", "queue_full", "no_session"})
    device.drops.push_back({reason, 18'446'744'073'709'551'615U});
  peer_status peer;
  peer.name = std::string(60, 'n');
  peer.endpoint
    = parse_endpoint("[2001:db8:1111:2222:3333:4444:5555:6666]:51820");
  peer.last_handshake = example_now - (99 * 24h + 23h);
  peer.rx_bytes = 1023 * 1024;
  peer.tx_bytes = 18'446'744'073'709'551'615U;
  for (int i = 0; i < 40; ++i)
    peer.allowed_ips.push_back(
      *parse_ip_prefix("2001:db8:1111:2222:3333:4444:5555:6666/128"));
  device.peers.push_back(peer);
  peer.name = "eighteen-letters-x";
  device.peers.push_back(peer);
  peer.endpoint = parse_endpoint("255.255.255.255:65535");
  device.peers.push_back(peer);

  const auto table = format_table(device, example_now);
  check_fits(table);
  CHECK(table.find(std::string(60, 'n')) != std::string::npos);
  CHECK(line_with(table, "ENDPOINT").find("ENDPOINT")
        == line_with(table, "[2001:db8:").find('['));
}

TEST_CASE("a cell that is too wide moves the rest of its row to a new line") {
  auto device = example_device();
  device.drops.clear();
  device.peers.resize(1);
  device.peers[0].endpoint
    = parse_endpoint("[2001:db8:1111:2222:3333:4444:5555:6666]:51820");
  const auto table = format_table(device, example_now);
  check_fits(table);
  CHECK(line_with(table, "MzMz").find("never") == std::string::npos);
  CHECK(line_with(table, "never").find("never")
        == line_with(table, "HANDSHAKE").find("HANDSHAKE"));
}

TEST_CASE("the state of a peer is told in words where there is more to tell") {
  const auto words_of = [](peer_state state, bool verbose) {
    device_status device;
    device.peers.resize(1);
    device.peers[0].state = std::move(state);
    return line_with(format_table(device, example_now, {verbose}),
                     "     state   ");
  };
  const auto since = example_now - 2h;
  CHECK(words_of({peer_word::up, "", since, 0, {}}, false).empty());
  CHECK_THAT(words_of({peer_word::up, "", since, 0, {}}, true),
             Catch::EndsWith("state   up for 2h"));
  CHECK_THAT(words_of({peer_word::connecting, "", since, 1, {}}, false),
             Catch::EndsWith("state   connecting for 2h: 1 try"));
  CHECK_THAT(words_of({peer_word::failing, "a\x1B", {}, 0, {}}, false),
             Catch::EndsWith("state   failing: a?"));
  CHECK_THAT(words_of({peer_word::idle, "x", example_now + 1h, 2, {}}, false),
             Catch::EndsWith("state   idle for 0s: x"));
}

TEST_CASE("a link that is down says so") {
  auto device = example_device();
  device.link_up = false;
  CHECK_THAT(format_table(device, example_now),
             Catch::Contains("state       link down, 0 of 2"));
}

TEST_CASE("a handshake after now is not shown as an age") {
  auto device = example_device();
  device.peers[1].last_handshake = example_now + 1h;
  CHECK(format_table(device, example_now).find("in future")
        != std::string::npos);
  // Clocks are read one after the other: a moment ahead is no clock set back.
  device.peers[1].last_handshake = example_now + 500ms;
  CHECK(format_table(device, example_now).find("0s ago") != std::string::npos);
}

TEST_CASE("peers are sorted by name, and those without one come last by key") {
  device_status device;
  const auto add = [&](const std::string& name, unsigned char fill) {
    peer_status peer;
    peer.name = name;
    peer.public_key = example_key(fill);
    device.peers.push_back(peer);
  };
  add("", 9);
  add("zeta", 1);
  add("", 2);
  add("alpha", 8);
  sort_peers(device);
  std::vector<std::string> labels;
  for (const auto& peer : device.peers)
    labels.push_back(peer_label(peer));
  CHECK(
    labels
    == std::vector<std::string>{"alpha", "zeta", "AgICAgIC...", "CQkJCQkJ..."});
}

TEST_CASE("a peer's name cannot steer the terminal") {
  auto device = example_device();
  device.peers[1].name = "evil\x1B]0;title\x07\nforged line";
  device.peers[1].endpoint_host = "h\x1Bost:1";
  device.interface = "w\x1B";
  const auto table = format_table(device, example_now);
  CHECK(table.find('\x1B') == std::string::npos);
  CHECK(table.find("\nforged") == std::string::npos);
}

TEST_CASE("the table holds no secrets") {
  const auto device = example_device();
  const auto table = format_table(device, example_now);
  CHECK(table.find(to_base64(device.private_key.bytes())) == std::string::npos);
  CHECK(table.find(to_base64(device.peers[1].preshared_key.bytes()))
        == std::string::npos);
}
