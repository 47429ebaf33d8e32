#include "support.hpp"
#include "tests/catch.hpp"

#include <ctime>

using namespace weft;
using namespace weft::test;

TEST_CASE("Offloads and an automatic MTU are read as words") {
  const auto read = parse_yaml(
    "interface:\n  private_key: " + base64(key(8))
      + "\n  mtu: auto\noffloads: {tun: off, udp: on, uring: off}\n",
    "a.yaml");
  REQUIRE(read);
  CHECK(read->interface.mtu == automatic_mtu);
  CHECK(
    read->offloads
    == offload_config{offload_mode::off, offload_mode::on, offload_mode::off});
}

TEST_CASE("A complete file is read with everything that it says") {
  const temporary_folder folder;
  folder.write("weft0.key", base64(key(8)) + "\n");
  folder.write("beta.psk", base64(key(16)) + "\r\n", 0400);
  const auto file = folder.write("node.yaml", R"(
interface:
  name: wg-test
  private_key_file: weft0.key
  listen: 192.0.2.1:51821
  addresses: [10.200.0.1/24, "fd00:200::1/64"]
  cluster_networks: [10.200.3.4/16]
  mtu: 1300
  fwmark: 0xca6c
  socket_folder: /run/wg
peers:
  - name: beta
    public_key: )" + public_text(1) + R"(
    preshared_key_file: beta.psk
    endpoint: beta.example.net:51820
    allowed_ips: [10.200.1.7/24, "fd00:200:1::/64"]
    persistent_keepalive: 25s
  - public_key: )" + public_text(2) + R"(
    preshared_key: )" + base64(key(24)) + R"(
    endpoint: "[2001:db8::1]:7"
    allowed_ips: 10.200.2.0/24, 10.200.3.0/24
    persistent_keepalive: 2m
log: {level: debug, format: json}
)",
                                 0644);
  const auto read = load_yaml(file);
  INFO((read ? "" : text_of(read.error())));
  REQUIRE(read);
  const auto& interface = read->interface;
  CHECK(interface.name == "wg-test");
  CHECK(interface.private_key == key(8));
  CHECK(to_string(interface.listen) == "192.0.2.1:51821");
  CHECK(interface.addresses
        == std::vector{prefix("10.200.0.1/24"), prefix("fd00:200::1/64")});
  CHECK(interface.cluster_networks == std::vector{prefix("10.200.0.0/16")});
  CHECK(interface.mtu == 1300);
  CHECK(interface.fwmark == 0xca6c);
  CHECK(interface.socket_folder == "/run/wg");
  REQUIRE(read->peers.size() == 2);
  const auto& beta = read->peers[0];
  CHECK(beta.name == "beta");
  CHECK(beta.public_key == public_of(1));
  CHECK(beta.preshared_key == key(16));
  CHECK(beta.endpoint
        == endpoint_config{host_endpoint{"beta.example.net", 51820}});
  CHECK(beta.allowed_ips
        == std::vector{prefix("10.200.1.0/24"), prefix("fd00:200:1::/64")});
  CHECK(beta.persistent_keepalive == std::chrono::seconds{25});
  const auto& other = read->peers[1];
  CHECK(other.name.empty());
  CHECK(other.preshared_key == key(24));
  CHECK(other.endpoint == endpoint_config{*parse_endpoint("[2001:db8::1]:7")});
  CHECK(other.allowed_ips
        == std::vector{prefix("10.200.2.0/24"), prefix("10.200.3.0/24")});
  CHECK(other.persistent_keepalive == std::chrono::seconds{120});
  CHECK(read->log == log_config{log_level::debug, log_format::json});
}

TEST_CASE("A file for a node that has a private key may come without one") {
  const auto* text = "interface: {name: weft7}\n";
  CHECK_FALSE(parse_yaml(text, "a.yaml"));
  const auto read = parse_yaml(text, "a.yaml", private_key_rule::optional);
  REQUIRE(read);
  CHECK(read->interface.name == "weft7");
  CHECK(read->interface.private_key.is_zero());
}

TEST_CASE("A private key is all that a file needs, and the rest has defaults") {
  const auto read = parse_yaml(interface_text(), "a.yaml");
  REQUIRE(read);
  node_config expected;
  expected.interface.private_key = key(1000);
  CHECK(*read == expected);
  CHECK(read->interface.name == "weft0");
  CHECK(to_string(read->interface.listen) == "[::]:51820");
  CHECK(read->interface.mtu == 1420);
  CHECK(read->interface.socket_folder == "/var/run/wireguard");
}

TEST_CASE("A private key is clamped when it is read") {
  byte_array<32> all;
  all.fill(std::byte{0xff});
  const auto read
    = parse_yaml("interface: {private_key: \"" + to_base64(all) + "\"}", "a");
  REQUIRE(read);
  private_key clamped{all};
  clamp(clamped);
  CHECK(read->interface.private_key == clamped);
}

TEST_CASE("Listening has several ways to be written") {
  const auto listen = [](const std::string& text) {
    const auto read
      = parse_yaml(interface_text("  listen: " + text + "\n"), "a.yaml");
    return read ? to_string(read->interface.listen) : text_of(read.error());
  };
  CHECK(listen("\"[::]:51820\"") == "[::]:51820");
  CHECK(listen("0.0.0.0:1") == "0.0.0.0:1");
  CHECK(listen("51821") == "[::]:51821");
  CHECK(listen("\":51822\"") == "[::]:51822");
  CHECK(listen("\"[fe80::1%3]:9\"") == "[fe80::1%3]:9");
  CHECK(listen("192.0.2.1:0") == "192.0.2.1:0");
  CHECK(listen("192.0.2.1") != "192.0.2.1:51820");
  CHECK(listen("example.net:51820").find("own IP address")
        != std::string::npos);
}

TEST_CASE("Intervals are seconds, or have a unit, or are off") {
  const auto keepalive = [](const std::string& text) {
    const auto read = parse_yaml(
      interface_text(
        "peers:\n" + peer_text(1, "    persistent_keepalive: " + text + "\n")),
      "a.yaml");
    return read ? read->peers.at(0).persistent_keepalive.count() : -1;
  };
  CHECK(keepalive("25s") == 25);
  CHECK(keepalive("25") == 25);
  CHECK(keepalive("2m") == 120);
  CHECK(keepalive("18h") == 64800);
  CHECK(keepalive("0") == 0);
  CHECK(keepalive("off") == 0);
  CHECK(keepalive("65535") == 65535);
  for (const auto* bad : {"65536", "19h", "-1", "25ms", "s", "1.5s", "2 m",
                          "18446744073709551615m", "soon", "''", "[1]", ""})
    CHECK(keepalive(bad) == -1);
}

TEST_CASE("Firewall marks are hexadecimal, decimal or off") {
  const auto mark = [](const std::string& text) -> std::int64_t {
    const auto read
      = parse_yaml(interface_text("  fwmark: " + text + "\n"), "a.yaml");
    return read ? std::int64_t{read->interface.fwmark} : -1;
  };
  CHECK(mark("0x0") == 0);
  CHECK(mark("0xFFFFFFFF") == 0xffffffff);
  CHECK(mark("51820") == 51820);
  CHECK(mark("off") == 0);
  for (const auto* bad : {"0x", "0x100000000", "-1", "ca6c", "4294967296"})
    CHECK(mark(bad) == -1);
}

TEST_CASE("Only the ports, addresses and names that can be sent to are "
          "endpoints") {
  const auto where = [](const std::string& text) -> std::string {
    const auto read = parse_yaml(
      interface_text("peers:\n"
                     + peer_text(1, "    endpoint: '" + text + "'\n")),
      "a.yaml");
    return read ? to_string(*read->peers.at(0).endpoint) : "";
  };
  for (const auto* good :
       {"192.0.2.1:1", "[2001:db8::1]:65535", "beta:51820", "a-b.example.:9",
        "1.2.3.x:5", "_x.example:5", "[fe80::1%eth0]:51820", "[fe80::1%3]:5"})
    CHECK(where(good) == good);
  for (const auto* bad : {"beta",
                          "192.0.2.1",
                          "192.0.2.1:",
                          "192.0.2.1:0",
                          "192.0.2.1:65536",
                          "192.0.2.300:5",
                          "2001:db8::1:51820",
                          "2001:db8::1",
                          "[2001:db8::1]",
                          "[2001:db8::1:5",
                          "[beta]:5",
                          ":5",
                          "-a:5",
                          "a-:5",
                          "a..b:5",
                          "a b:5",
                          "beta:http",
                          "[fe80::1%a/b]:5",
                          "[192.0.2.1%a]:5",
                          "beta:-1",
                          ""})
    CHECK(where(bad).empty());
}

TEST_CASE("A configuration written as YAML is read as the same") {
  node_config config;
  config.interface.private_key = key(8);
  config.interface.name = "a\\b\"c'";
  config.interface.listen = *parse_endpoint("0.0.0.0:0");
  config.interface.addresses = {prefix("10.0.0.1/8"), prefix("fd00::1/64")};
  config.interface.cluster_networks = {prefix("10.0.0.0/8")};
  config.interface.mtu = 65535;
  config.interface.fwmark = 0xffffffff;
  config.interface.socket_folder = "/tmp/a folder: # \"x\"";
  config.peers.resize(3);
  config.peers[0].public_key = public_of(1);
  config.peers[0].name = "Jörg's \"node\": #1 \\ [x] - ~";
  config.peers[0].preshared_key = key(16);
  config.peers[0].endpoint = *parse_endpoint("[fe80::1%3]:5");
  config.peers[0].allowed_ips = {prefix("10.1.0.0/16"), prefix("::/0")};
  config.peers[0].persistent_keepalive = std::chrono::seconds{65535};
  config.peers[1].public_key = public_of(2);
  config.peers[1].name = "null";
  config.peers[1].endpoint = host_endpoint{"beta.example.net", 5};
  config.peers[2].public_key = public_of(3);
  config.log = {log_level::off, log_format::json};
  const auto read = parse_yaml(format_yaml(config), "a.yaml");
  INFO((read ? "" : text_of(read.error())));
  REQUIRE(read);
  CHECK(*read == config);
}

TEST_CASE("An allowed IP that a peer lists twice is kept once") {
  const auto read = parse_yaml(
    interface_text("peers:\n"
                   + peer_text(1, "    allowed_ips: [10.0.0.1/24, 10.0.0.2/24, "
                                  "10.0.0.0/25]\n")),
    "a.yaml");
  REQUIRE(read);
  CHECK(read->peers.at(0).allowed_ips
        == std::vector{prefix("10.0.0.0/24"), prefix("10.0.0.0/25")});
}

TEST_CASE("Empty lists, sections without content and comments are fine") {
  CHECK(yaml_errors(interface_text("  addresses: []\n  cluster_networks:\n")
                    + "peers:\nlog:\n# the end")
        == "");
  CHECK(yaml_errors("\xef\xbb\xbf" + interface_text() + "peers: []\r\n") == "");
  CHECK(yaml_errors("---\n" + interface_text() + "...\n") == "");
}

TEST_CASE("Ten thousand peers are read in about the time that YAML takes") {
  std::string text = interface_text("peers:\n");
  for (unsigned i = 0; i < 10'000; ++i) {
    const auto id = std::to_string(i / 256) + "." + std::to_string(i % 256);
    auto bytes = to_public_key(key(8 * i));
    text += "  - name: peer" + id + "\n    public_key: " + to_string(bytes)
            + "\n    endpoint: 192.0.2.1:" + std::to_string(i + 1)
            + "\n    allowed_ips: [10." + id
            + ".0/24, \"fd00:" + std::to_string(i % 10'000) + "::/32\"]\n"
            + "    persistent_keepalive: 25s\n";
  }
  const auto begin = std::clock(); // of this process: others may be busy
  const auto read = parse_yaml(text, "a.yaml");
  const auto took = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  INFO((read ? "" : to_string(read.error().front())));
  REQUIRE(read);
  CHECK(read->peers.size() == 10'000);
  // It takes 0.3 s; ten times that would be a quadratic search.
  CHECK(took < 10.0);
}
