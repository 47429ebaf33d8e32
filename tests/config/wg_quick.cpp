#include "config/wg_quick.hpp"

#include "support.hpp"
#include "tests/catch.hpp"

using namespace weft;
using namespace weft::test;
using Catch::Contains;
using Catch::Equals;
using Catch::StartsWith;

namespace {

std::string head(const std::string& more = {}) {
  return "[Interface]\nPrivateKey = " + base64(key(1000)) + "\n" + more;
}

std::string peer(unsigned n, const std::string& more = {}) {
  return "[Peer]\nPublicKey = " + public_text(n) + "\n" + more;
}

imported_config import_good(const std::string& text) {
  auto read = import_wg_quick(text, "wg0.conf", "wg0");
  INFO((read ? "" : text_of(read.error())));
  REQUIRE(read);
  return *read;
}

std::string errors_of(const std::string& text) {
  const auto read = import_wg_quick(text, "wg0.conf", "wg0");
  return read ? std::string{} : text_of(read.error());
}

std::vector<std::string> names_in(const std::string& text) {
  std::vector<std::string> names;
  for (const auto& one : import_good(text).config.peers)
    names.push_back(one.name);
  return names;
}

} // namespace

TEST_CASE("A wg-quick file is imported with everything that weft knows") {
  const auto read = import_good("# made by hand\r\n"
                                "[interface]\r\n"
                                "privatekey="
                                + base64(key(1000))
                                + "  # secret\r\n"
                                  "LISTENPORT = 51821\r\n"
                                  "Address = 10.200.0.1/24, fd00:200::1/64\r\n"
                                  "Address = 10.201.0.1\r\n"
                                  "MTU = 1380\r\n"
                                  "FwMark = 0xca6c\r\n"
                                  "\r\n"
                                  "[Peer]\r\n"
                                  "PublicKey = "
                                + public_text(1)
                                + "\r\n"
                                  "PresharedKey = "
                                + base64(key(16))
                                + "\r\n"
                                  "AllowedIPs = 10.200.1.7/24,10.200.0.9/32\r\n"
                                  "AllowedIPs = fd00:200:1::/64\r\n"
                                  "Endpoint = beta.example.net:51820\r\n"
                                  "PersistentKeepalive = 25\r\n"
                                  "[peer]\r\n"
                                  "PublicKey = "
                                + public_text(2)
                                + "\r\n"
                                  "PersistentKeepalive = off");
  CHECK(read.ignored.empty());
  const auto& interface = read.config.interface;
  CHECK(interface.name == "wg0");
  CHECK(interface.private_key == key(1000));
  CHECK(to_string(interface.listen) == "[::]:51821");
  CHECK(interface.addresses
        == std::vector{prefix("10.200.0.1/24"), prefix("fd00:200::1/64"),
                       prefix("10.201.0.1/32")});
  CHECK(interface.mtu == 1380);
  CHECK(interface.fwmark == 0xca6c);
  REQUIRE(read.config.peers.size() == 2);
  const auto& beta = read.config.peers[0];
  CHECK(beta.public_key == public_of(1));
  CHECK(beta.preshared_key == key(16));
  CHECK(beta.endpoint
        == endpoint_config{host_endpoint{"beta.example.net", 51820}});
  CHECK(beta.allowed_ips
        == std::vector{prefix("10.200.1.0/24"), prefix("10.200.0.9/32"),
                       prefix("fd00:200:1::/64")});
  CHECK(beta.persistent_keepalive == std::chrono::seconds{25});
  CHECK(read.config.peers[1].persistent_keepalive == std::chrono::seconds{0});
}

TEST_CASE("Without a port the kernel chooses one, as for wg") {
  CHECK(import_good(head()).config.interface.listen.port == 0);
}

TEST_CASE("Allowed IPs that no address leads to become cluster networks") {
  const auto networks = [](const std::string& more) {
    return import_good(head("Address = 10.200.0.1/24\n" + more)
                       + peer(1, "AllowedIPs = 10.200.0.5/32, 10.9.0.0/16, "
                                 "10.9.3.0/24\n")
                       + peer(2, "AllowedIPs = fd00::/8, 10.9.4.0/24\n"))
      .config.interface.cluster_networks;
  };
  const auto expected = std::vector{prefix("10.9.0.0/16"), prefix("fd00::/8")};
  CHECK(networks("") == expected);
  CHECK(networks("Table = auto\n") == expected);
  CHECK(networks("Table = off\n").empty());
}

TEST_CASE("A default route or a table of its own has all allowed IPs routed") {
  const auto interface = [](const std::string& more,
                            const std::string& allowed) {
    return import_good(head("Address = 10.200.0.1/24\n" + more)
                       + peer(1, "AllowedIPs = " + allowed + "\n"))
      .config.interface;
  };
  for (const auto* all : {"0.0.0.0/0, ::/0", "10.9.0.0/16, ::/0"}) {
    const auto whole = interface("", all);
    CHECK(whole.routes == route_mode::automatic);
    CHECK(whole.table == 0);
    CHECK(whole.cluster_networks.empty());
    CHECK(interface("Table = off\n", all).routes == route_mode::manual);
  }
  const auto own = interface("Table = 1234\n", "10.9.0.0/16");
  CHECK(own.routes == route_mode::automatic);
  CHECK(own.table == 1234);
  CHECK(own.cluster_networks.empty());
  CHECK(interface("Table = main\n", "0.0.0.0/0").table == 254);
}

TEST_CASE("Servers and domains of DNS are taken, however they are parted") {
  const auto dns = [](const std::string& more) {
    return import_good(head(more)).config.interface.dns;
  };
  CHECK(dns("").empty());
  CHECK(dns("DNS = 10.0.0.1, fd00::1 example.org\nDNS=10.0.0.1,10.0.0.2\n")
        == std::vector<std::string>{"10.0.0.1", "fd00::1", "example.org",
                                    "10.0.0.2"});
  CHECK_THAT(errors_of(head("DNS = 10.0.0.1, 10.0.0.0/8\n")),
             Equals("wg0.conf:3:7: Interface.DNS: '10.0.0.0/8' is neither a "
                    "server nor a domain; an IP address, or a domain to "
                    "search, is expected\n"));
}

TEST_CASE("Without an MTU it is found out, as wg-quick does") {
  CHECK(import_good(head()).config.interface.mtu == automatic_mtu);
  CHECK(import_good(head("Address = fd00::1/64\n")).config.interface.mtu
        == automatic_mtu);
}

TEST_CASE("What is left out is reported with its line") {
  const auto read = import_good(head("PostUp = iptables -A FORWARD -i %i\n"
                                     "preDown = true\n"
                                     "SaveConfig = true\n"
                                     "Table = vpn\n")
                                + peer(1, "AllowedIPs = 10.0.0.0/8\n"));
  const auto text = text_of(read.ignored);
  CHECK(read.ignored.size() == 4);
  CHECK_THAT(text, StartsWith("wg0.conf:3:10: Interface.PostUp: the command is "
                              "left out"));
  CHECK_THAT(text, Contains("wg0.conf:4:11: Interface.preDown: "));
  CHECK_THAT(text, Contains("wg0.conf:5:14: Interface.SaveConfig: "));
  CHECK_THAT(text, Contains("wg0.conf:6:9: Interface.Table: 'vpn' is no "));
  CHECK(read.config.interface.cluster_networks.empty());
  CHECK(import_good(head("SaveConfig = false\n")).ignored.empty());
}

TEST_CASE("Commands of somebody else's file become comments that say why") {
  CHECK(comment_on_commands(import_good(head())).empty());
  const auto read = import_good(head("PostUp = echo \x1b[1m \xfc\n"
                                     "postdown = echo %i\n"));
  CHECK(read.config.interface.on_up.empty());
  CHECK(read.config.interface.on_down.empty());
  const auto text = comment_on_commands(read);
  CHECK_THAT(text, Contains("\n#   PostUp = echo ?[1m ?\n"
                            "#   PostDown = echo %i\n"));
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    CHECK(text[at] == '#');
}

TEST_CASE("A simple comment above or in a section names the peer") {
  const auto k
    = [](unsigned n) { return "PublicKey = " + public_text(n) + "\n"; };
  CHECK(names_in(head() + "# beta\n[Peer]\n" + k(1)
                 + "\n# Name = gam ma\n[Peer]\n" + k(2))
        == std::vector<std::string>{"beta", "gam ma"});
  CHECK(names_in(head() + "[Peer]\n# beta\n" + k(1) + "[Peer] # gamma\n" + k(2)
                 + "#name=delta\n[Peer]\n" + k(3)
                 + "# Name = epsilon\n\n[Peer]\n" + "# Name = zeta\n" + k(4))
        == std::vector<std::string>{"beta", "gamma", "delta", "zeta"});
  CHECK(names_in(head() + "[Peer]\n" + k(1) + "# Name = last")
        == std::vector<std::string>{"last"});
  // Not names: sentences, keys that are commented out, and what another has.
  CHECK(names_in(head() + "# my best friend\n[Peer]\n" + k(1)
                 + "[Peer]\n# Endpoint = a.b:5\n" + k(2) + "# x\n\n[Peer]\n"
                 + k(3) + "# word\nAllowedIPs = 10.0.0.0/8\n")
        == std::vector<std::string>{"", "", ""});
  CHECK(names_in(head() + "# a\n[Peer]\n" + k(1) + "# a\n[Peer]\n" + k(2))
        == std::vector<std::string>{"a", ""});
}

TEST_CASE("What wg and wg-quick take is taken, however it is spaced") {
  const auto read = import_good(
    "\xef\xbb\xbf" + head("Address = 10.8.0.1/24 fd00:8::1/64,\n")
    + "[ Peer ]\nPublicKey=" + public_text(1)
    + "\nAllowedIPs = 10.8.0.2 / 32 ,, 10.8.1.0 /24,10.8.2.0/ 24\t10.8.3.1\n"
      "AllowedIPs = ::ffff:10.8.4.0/120,\n"
      "Endpoint = 2001:db8::1:51820\n"
    + peer(2, "Endpoint = [192.0.2.1] : 51820\n")
    + peer(3, "Endpoint = [::ffff:192.0.2.1]:51820\n"));
  const auto& config = read.config;
  REQUIRE(config.interface.addresses.size() == 2);
  CHECK(to_string(config.interface.addresses[1]) == "fd00:8::1/64");
  std::string allowed;
  for (const auto& prefix : config.peers[0].allowed_ips)
    allowed += to_string(prefix) + ' ';
  CHECK(allowed
        == "10.8.0.2/32 10.8.1.0/24 10.8.2.0/24 10.8.3.1/32 10.8.4.0/24 ");
  CHECK(to_string(*config.peers[0].endpoint) == "[2001:db8::1]:51820");
  CHECK(to_string(*config.peers[1].endpoint) == "192.0.2.1:51820");
  CHECK(to_string(*config.peers[2].endpoint) == "192.0.2.1:51820");
}

TEST_CASE("A port may have the name of a service") {
  const auto name = [](const std::string& port) {
    return head() + peer(1, "Endpoint = [2001:db8::1]:" + port + "\n")
           + peer(2, "Endpoint = vpn.example.org:" + port + "\n");
  };
  const auto find = [](const std::string& service) {
    return service == "https" ? std::optional<std::uint16_t>{443}
                              : std::nullopt;
  };
  const auto read = import_wg_quick(name("https"), "wg0.conf", "wg0", find);
  REQUIRE(read);
  CHECK(to_string(*read->config.peers[0].endpoint) == "[2001:db8::1]:443");
  CHECK(to_string(*read->config.peers[1].endpoint) == "vpn.example.org:443");
  CHECK_THAT(errors_of(name("no-such-service")),
             Contains("is neither a number nor a service"));
}

TEST_CASE("What could mean two things is refused, and said what of it") {
  const auto with = [](const std::string& endpoint) {
    return errors_of(head() + peer(1, "Endpoint = " + endpoint + "\n"));
  };
  CHECK_THAT(with("2001:db8::1:5182"), Contains("no port, or no brackets"));
  CHECK_THAT(with("2001:db8::abcd"), Contains("no port, or no brackets"));
  CHECK_THAT(with("2001:db8::1:70000"), Contains("out of range"));
  CHECK_THAT(errors_of("\xff\xfe["), Equals("wg0.conf:1:1: the file is UTF-16; "
                                            "save it as UTF-8\n"));
  CHECK_THAT(errors_of(head() + "[Peer\nPublicKey = " + public_text(1) + "\n"),
             Contains("unknown section '[Peer'"));
}

TEST_CASE("All errors of a wg-quick file are reported at once") {
  const auto text = errors_of("Address = 10.0.0.1/24\n"
                              "[Interface]\n"
                              "  Adress = 10.0.0.1/24\n"
                              "MTU = 1\n"
                              "ListenPort = 65536\n"
                              "what is this\n"
                              "[Peers]\n"
                              "Nonsense = 1\n"
                              "[Peer]\n"
                              "Endpoint = beta\n"
                              "AllowedIPs = 10.0.0.0/8, x\n"
                              "DNS = 1.1.1.1\n");
  CHECK_THAT(text, StartsWith("wg0.conf:1:11: the line stands before any "
                              "section; [Interface] or [Peer] is expected "
                              "first\n"
                              "wg0.conf:2:1: Interface.PrivateKey: the key is "
                              "missing; 'weft genkey' makes one\n"
                              "wg0.conf:3:12: Interface.Adress: unknown key "
                              "'Adress'; did you mean 'Address'?\n"
                              "wg0.conf:4:7: Interface.MTU: '1' is no MTU; "
                              "576-65535 or auto is expected\n"
                              "wg0.conf:5:14: Interface.ListenPort: port "
                              "'65536' is out of range"));
  CHECK_THAT(text, Contains("wg0.conf:6:1: the line is no assignment"));
  CHECK_THAT(text, Contains("wg0.conf:7:1: unknown section '[Peers]'"));
  CHECK_THAT(text, !Contains("wg0.conf:8:"));
  CHECK_THAT(text, Contains("wg0.conf:9:1: Peer[0].PublicKey: the key is "
                            "missing"));
  CHECK_THAT(text, Contains("wg0.conf:10:12: Peer[0].Endpoint: 'beta' has no "
                            "port"));
  CHECK_THAT(text, Contains("wg0.conf:11:14: Peer[0].AllowedIPs: 'x' is no"));
  CHECK_THAT(text, Contains("wg0.conf:12:7: Peer[0].DNS: unknown key"));
}

TEST_CASE("Peers of a wg-quick file must not contradict each other") {
  CHECK_THAT(errors_of(head() + peer(1) + peer(1)),
             Equals("wg0.conf:6:13: Peer[1].PublicKey: the same key as Peer[0] "
                    "in line 4; one entry a peer is expected\n"));
  CHECK_THAT(errors_of(head() + peer(1, "AllowedIPs = ::/0\n")
                       + peer(2, "AllowedIPs = ::/0\n")),
             Contains("::/0 belongs to Peer[0] in line 4 already"));
  CHECK_THAT(errors_of(head() + "[Peer]\nPublicKey = "
                       + to_string(derive_public_key(key(1000)))),
             Contains("the node's own key"));
}

TEST_CASE("Keys of a wg-quick file are never shown in an error") {
  const auto secret = base64(key(8)).substr(0, 43);
  for (const auto& text :
       {"[Interface]\nPrivateKey = " + secret, head() + "MTU = " + secret,
        "[Interface]\nPrivateKey " + secret, "PrivateKey = " + secret,
        head() + secret + " = 1\n", head() + "[" + secret + "]",
        head() + peer(1, "PresharedKey = " + secret),
        head() + peer(1, "PublicKey = " + secret),
        head() + peer(1, "Endpoint = " + secret)}) {
    const auto errors = errors_of(text);
    CHECK(errors != "");
    CHECK_THAT(errors, !Contains(secret.substr(0, 10)));
  }
}

TEST_CASE("The name of the interface is checked on import") {
  const auto read = import_wg_quick(head(), "a.conf", "a-name-of-16-chars");
  REQUIRE_FALSE(read);
  CHECK(text_of(read.error())
        == "a.conf: Interface name 'a-name-of-16-chars' exceeds 15 character "
           "limit\n");
}

TEST_CASE("An export is what wg-quick reads, and weft reads it back") {
  node_config config;
  auto& interface = config.interface;
  interface.name = "wg0";
  interface.private_key = key(8);
  interface.addresses = {prefix("10.200.0.1/24"), prefix("fd00::1/64")};
  interface.cluster_networks = {prefix("10.201.0.0/16")};
  interface.fwmark = 51820;
  interface.mtu = 1280;
  config.peers.resize(2);
  config.peers[0].name = "beta two";
  config.peers[0].public_key = public_of(1);
  config.peers[0].preshared_key = key(16);
  config.peers[0].endpoint = host_endpoint{"beta.example.net", 5};
  config.peers[0].allowed_ips
    = {prefix("10.200.0.2/32"), prefix("10.201.0.0/16")};
  config.peers[0].persistent_keepalive = std::chrono::seconds{25};
  config.peers[1].public_key = public_of(2);
  config.peers[1].endpoint = *parse_endpoint("[2001:db8::1]:51820");
  const auto text = export_wg_quick(config);
  CHECK(text
        == "[Interface]\n"
           "PrivateKey = "
             + base64(key(8))
             + "\n"
               "ListenPort = 51820\n"
               "FwMark = 51820\n"
               "Address = 10.200.0.1/24, fd00::1/64\n"
               "MTU = 1280\n"
               "\n[Peer]\n"
               "# Name = beta two\n"
               "PublicKey = "
             + public_text(1)
             + "\n"
               "PresharedKey = "
             + base64(key(16))
             + "\n"
               "AllowedIPs = 10.200.0.2/32, 10.201.0.0/16\n"
               "Endpoint = beta.example.net:5\n"
               "PersistentKeepalive = 25\n"
               "\n[Peer]\n"
               "PublicKey = "
             + public_text(2)
             + "\n"
               "Endpoint = [2001:db8::1]:51820\n");
  CHECK(import_good(text).config == config);
}

TEST_CASE("An export of a full tunnel is one for wg-quick, too") {
  node_config config;
  auto& interface = config.interface;
  interface.name = "wg0";
  interface.private_key = key(8);
  interface.addresses = {prefix("10.64.0.2/32")};
  interface.mtu = automatic_mtu;
  interface.routes = route_mode::automatic;
  interface.dns = {"10.64.0.1", "example.org"};
  config.peers.resize(1);
  config.peers[0].public_key = public_of(1);
  config.peers[0].allowed_ips = {prefix("0.0.0.0/0"), prefix("::/0")};
  auto text = export_wg_quick(config);
  CHECK_THAT(text, Contains("\nDNS = 10.64.0.1, example.org\n"));
  CHECK_THAT(text, !Contains("Table") && !Contains("MTU"));
  CHECK(import_good(text).config == config);

  interface.table = 77;
  text = export_wg_quick(config);
  CHECK_THAT(text, Contains("\nTable = 77\n"));
  CHECK(import_good(text).config == config);

  interface.table = 0;
  interface.routes = route_mode::manual;
  config.peers[0].default_route = true;
  config.peers[0].allowed_ips.clear();
  text = export_wg_quick(config);
  CHECK_THAT(text, Contains("\nAllowedIPs = 0.0.0.0/0, ::/0\n"));
  CHECK_THAT(text, !Contains("Table"));
}

TEST_CASE("Commands are exported for wg-quick's shell") {
  node_config config;
  config.interface.private_key = key(8);
  config.interface.on_up = {R"(/bin/echo "it's" $HOME)", "/bin/echo '#'"};
  config.interface.on_down = {"/bin/true"};
  config.interface.kill_switch = true;
  CHECK_THAT(export_wg_quick(config),
             Contains("# weft lets nothing leave beside the tunnel")
               && Contains("\nPostUp = /bin/echo 'it'\\''s' '$HOME'\n"
                           "# not for wg-quick: PostUp = /bin/echo '#'\n"
                           "PostDown = /bin/true\n"));
}

TEST_CASE("An export makes no route that weft does not make") {
  node_config config;
  config.interface.name = "wg0";
  config.interface.private_key = key(8);
  config.interface.listen = *parse_endpoint("192.0.2.1:5");
  config.peers.resize(1);
  config.peers[0].public_key = public_of(1);
  config.peers[0].allowed_ips = {prefix("0.0.0.0/0")};
  const auto text = export_wg_quick(config);
  CHECK_THAT(text, Contains("Table = off\n"));
  CHECK_THAT(text, Contains("# weft listens on 192.0.2.1 only"));
  const auto again = import_good(text);
  CHECK(again.config.interface.cluster_networks.empty());
  CHECK(again.config.peers == config.peers);
}

TEST_CASE("No damage to a wg-quick file makes the reader fail in another way") {
  std::mt19937 random{7};
  const auto good
    = head("Address = 10.0.0.1/24\nDNS = 1.1.1.1\nMTU = 1400\n")
      + peer(1, "# Name = a\nEndpoint = b.c:5\nAllowedIPs = 10.0.0.0/8, ::/0\n"
                "PersistentKeepalive = 25\n")
      + "# b\n" + peer(2);
  int accepted = 0;
  for (int i = 0; i < 5000; ++i) {
    const auto text = mutate(good, random);
    const auto read = import_wg_quick(text, "wg0.conf", "wg0");
    if (!read) {
      REQUIRE_FALSE(read.error().empty());
      continue;
    }
    ++accepted;
    INFO(text);
    const auto again
      = import_wg_quick(export_wg_quick(read->config), "wg0.conf", "wg0");
    REQUIRE(again);
    REQUIRE(again->config.peers == read->config.peers);
  }
  CHECK(accepted > 100);
}
