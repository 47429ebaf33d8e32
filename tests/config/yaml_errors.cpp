#include "config/validate.hpp"
#include "support.hpp"
#include "tests/catch.hpp"

using namespace weft;
using namespace weft::test;
using Catch::Contains;
using Catch::Equals;
using Catch::StartsWith;

namespace {

/// Errors of an interface section with one more line; it is line 3.
std::string interface_errors(const std::string& line) {
  return yaml_errors(interface_text("  " + line + "\n"));
}

/// Errors of one peer with one more line; it is line 5.
std::string peer_errors(const std::string& line) {
  return yaml_errors(interface_text("peers:\n" + peer_text(1, "    " + line)));
}

} // namespace

TEST_CASE("An error names the file, the line, the column and the key") {
  CHECK(to_string(config_error{"a.yaml", 3, 8, "peers[2].endpoint", "oh"})
        == "a.yaml:3:8: peers[2].endpoint: oh");
  CHECK(to_string(config_error{"a.yaml", 0, 0, "", "oh"}) == "a.yaml: oh");
  CHECK_THAT(
    interface_errors("mtu: 575"),
    Equals("a.yaml:3:8: interface.mtu: '575' is no MTU; 576-65535 or auto is "
           "expected\n"));
  CHECK_THAT(interface_errors("mtu: 1279\n  addresses: ['fd00::1/64']"),
             Equals("a.yaml:3:8: interface.mtu: 1279 is too small for IPv6, "
                    "which needs 1280 bytes; raise it, or take the IPv6 "
                    "addresses and networks out\n"));
}

TEST_CASE("An offload is switched by a word that there is") {
  CHECK_THAT(yaml_errors(interface_text("offloads: {udp: perhaps}\n")),
             Contains("offloads.udp: 'perhaps' is no answer; auto, off, or on "
                      "(also where it is doubtful) is expected"));
  CHECK_THAT(yaml_errors(interface_text("offloads: {udp: on, tcp: off}\n")),
             Contains("offloads.tcp"));
}

TEST_CASE("Of the TUN device's offloads and io_uring nothing is doubtful") {
  CHECK_THAT(yaml_errors(interface_text("offloads: {tun: on}\n")),
             StartsWith("a.yaml:3:17: offloads.tun: nothing about it is "
                        "doubtful, so that there is no 'on'; auto"));
  CHECK_THAT(yaml_errors(interface_text("offloads: {uring: on}\n")),
             StartsWith("a.yaml:3:19: offloads.uring: nothing about it is"));
  CHECK(
    yaml_errors(interface_text("offloads: {tun: auto, udp: on}\n")).empty());
}

TEST_CASE("A name that nftables does not take is told with its place") {
  const std::string name = "  name: 'a*'\n";
  const auto wrong = StartsWith("a.yaml:3:9: interface.name: nftables takes no "
                                "interface that is called 'a*'; a name of");
  const auto leading = "peers:\n" + peer_text(1, "    default_route: true");
  CHECK(yaml_errors(interface_text(name)).empty());
  CHECK_THAT(yaml_errors(interface_text(name + "  kill_switch: true\n")),
             wrong);
  CHECK_THAT(yaml_errors(interface_text(name + leading)), wrong);
  CHECK_THAT(
    yaml_errors(interface_text(name + "  routes: auto\npeers:\n"
                               + peer_text(1, "    allowed_ips: ['::/0']"))),
    wrong);
}

TEST_CASE("All errors of a file are reported at once, in their order") {
  const auto read = parse_yaml("log: {level: loud}\n"
                               "interface:\n"
                               "  mtu: 9\n"
                               "  adresses: [10.0.0.1/24]\n"
                               "peers:\n"
                               "  - endpoint: beta\n"
                               "    allowed_ips: [10.0.0.0/33, x]\n"
                               "  - public_key: short\n"
                               "    name: ''\n",
                               "a.yaml");
  REQUIRE_FALSE(read);
  std::vector<std::string> places;
  for (const auto& error : read.error())
    places.push_back(std::to_string(error.line) + " " + error.key);
  CHECK(places
        == std::vector<std::string>{
          "1 log.level", "3 interface.private_key_file", "3 interface.mtu",
          "4 interface.adresses", "6 peers[0].public_key",
          "6 peers[0].endpoint", "7 peers[0].allowed_ips[0]",
          "7 peers[0].allowed_ips[1]", "8 peers[1].public_key",
          "9 peers[1].name"});
}

TEST_CASE("An unknown key is an error that names the nearest known one") {
  CHECK_THAT(interface_errors("adresses: []"),
             Equals("a.yaml:3:3: interface.adresses: unknown key 'adresses'; "
                    "did you mean 'addresses'?\n"));
  CHECK_THAT(interface_errors("privatekey-file: x"),
             Contains("did you mean 'private_key_file'?"));
  CHECK_THAT(peer_errors("AllowedIPs: x"),
             Contains("did you mean 'allowed_ips'?"));
  CHECK_THAT(yaml_errors(interface_text() + "peer: []\n"),
             Contains("did you mean 'peers'?"));
  CHECK_THAT(yaml_errors(interface_text() + "log: {lvl: info}\n"),
             Contains("did you mean 'level'?"));
  CHECK_THAT(interface_errors("zzzzzzzzzzzz: 1"),
             Contains("known are name, private_key, private_key_file"));
}

TEST_CASE("A key that appears twice is an error, and so is a list for a key") {
  CHECK_THAT(interface_errors("mtu: 1420\n  mtu: 1420"),
             Equals("a.yaml:4:3: interface.mtu: the key appears twice, first "
                    "in line 3; remove one of the two\n"));
  CHECK_THAT(yaml_errors(interface_text() + "log: {}\nlog: {}\n"),
             StartsWith("a.yaml:4:1: log: the key appears twice"));
  CHECK_THAT(interface_errors("[a]: b"), Contains("a list for a key"));
}

TEST_CASE("Peers that contradict each other are errors") {
  const auto peers = interface_text("peers:\n");
  CHECK_THAT(yaml_errors(peers + peer_text(1) + peer_text(2) + peer_text(1)),
             Equals("a.yaml:6:17: peers[2].public_key: the same key as "
                    "peers[0] in line 4; one entry a peer is expected\n"));
  CHECK_THAT(yaml_errors(peers + peer_text(1, "    name: a\n")
                         + peer_text(2, "    name: a\n")),
             Equals("a.yaml:7:11: peers[1].name: the same name as peers[0] in "
                    "line 4; a name that no other peer has is expected\n"));
  CHECK_THAT(
    yaml_errors(peers + peer_text(1, "    allowed_ips: [10.0.0.1/8]\n")
                + peer_text(2, "    allowed_ips: [\"::/0\", 10.0.0.2/8]\n")),
    Equals("a.yaml:7:27: peers[1].allowed_ips: 10.0.0.0/8 belongs to peers[0] "
           "in line 4 already; a prefix can lead to one peer only\n"));
  CHECK(yaml_errors(peers + peer_text(1, "    allowed_ips: [10.0.0.0/8]\n")
                    + peer_text(2, "    allowed_ips: [10.0.0.0/9]\n"))
        == "");
  CHECK_THAT(yaml_errors(peers + "  - public_key: "
                         + to_string(derive_public_key(key(1000)))),
             Equals("a.yaml:4:17: peers[0].public_key: this is the node's own "
                    "key; a peer needs the public key of another node\n"));
}

TEST_CASE("A key of the wrong length is described and never shown") {
  const auto good = base64(key(8));
  const auto check = [&](const std::string& bad, const std::string& expected) {
    INFO(bad);
    for (const auto& errors :
         {yaml_errors("interface: {private_key: \"" + bad + "\"}"),
          peer_errors("preshared_key: \"" + bad + "\""),
          yaml_errors(
            interface_text("peers: [{public_key: \"" + bad + "\"}]\n"))}) {
      CHECK_THAT(errors, Contains(expected));
      CHECK_THAT(errors, Contains("44 characters of base64"));
      CHECK_THAT(errors, !Contains(bad.substr(0, 8)));
    }
  };
  check(good.substr(1), "43 characters long");
  check(good + "=", "45 characters long");
  check(good.substr(0, 20), "20 characters long");
  check(good.substr(0, 42) + "!=", "no base64 of 32 bytes");
  check(good.substr(0, 43) + "A", "no base64 of 32 bytes");
}

TEST_CASE("A key in the wrong place is not shown either") {
  const auto secret = base64(key(8));
  for (const auto& errors :
       {interface_errors("private_key_file: " + secret),
        interface_errors("name: " + secret), interface_errors("mtu: " + secret),
        interface_errors("listen: " + secret), interface_errors(secret + ": 1"),
        interface_errors("fwmark: " + secret),
        interface_errors("socket_folder: " + secret + secret + secret),
        peer_errors("endpoint: " + secret), peer_errors("name: " + secret),
        peer_errors("endpoint: " + secret + ":51820"),
        peer_errors("allowed_ips: [" + secret + "]"),
        peer_errors("persistent_keepalive: " + secret),
        peer_errors("preshared_key_file: " + secret), yaml_errors(secret),
        yaml_errors("- " + secret),
        yaml_errors("interface:\n  private_key:" + secret + "\n  mtu: 1\n"),
        yaml_errors("interface:\n  private_key:" + secret + "\n"),
        yaml_errors(interface_text() + "log: {level: " + secret + "}"),
        yaml_errors(interface_text("  private_key: " + secret + "\n"))}) {
    INFO(errors);
    CHECK(errors != "");
    CHECK_THAT(errors, !Contains(secret.substr(0, 12)));
    CHECK_THAT(errors, !Contains(secret.substr(20, 12)));
  }
}

TEST_CASE("A node has one private key, from one place") {
  CHECK_THAT(yaml_errors("interface: {mtu: 1420}\n"),
             StartsWith("a.yaml:1:12: interface.private_key_file: the private "
                        "key is missing"));
  CHECK_THAT(yaml_errors("peers: []\n"),
             StartsWith("a.yaml:1:1: interface: the section is missing"));
  CHECK_THAT(interface_errors("private_key_file: nowhere"),
             Contains("interface.private_key_file: private_key is given as "
                      "well, in line 2; one of the two is expected"));
  CHECK_THAT(
    yaml_errors("interface: {private_key: \"" + base64(secret<32>{}) + "\"}"),
    Contains("the private key is zero"));
  CHECK_THAT(yaml_errors("interface:\n  private_key:\n"),
             StartsWith("a.yaml:2:3: interface.private_key: there is nothing; "
                        "44 characters of base64 is expected"));
  CHECK_THAT(yaml_errors(interface_text("peers: [{public_key: \""
                                        + base64(secret<32>{}) + "\"}]\n")),
             Contains("the key is zero"));
}

TEST_CASE("A key file must be there, be a file, be private and hold a key") {
  const temporary_folder folder;
  const auto errors = [&](const std::string& name) {
    return yaml_errors("interface: {private_key_file: \"" + name + "\"}",
                       folder.path("a.yaml"));
  };
  const auto good = base64(key(8));
  folder.write("good.key", "  " + good + " \n\n");
  CHECK(errors("good.key") == "");
  CHECK(errors(folder.path("good.key")) == "");
  CHECK_THAT(errors("none.key"),
             Contains("none.key' does not exist; relative names start at the "
                      "folder of the configuration"));
  CHECK_THAT(errors("."), Contains("is no regular file"));
  CHECK_THAT(errors("/dev/zero"), Contains("is no regular file"));
  CHECK_THAT(errors(""), Contains("the name of a file is expected"));
  CHECK_THAT(errors("a\\0b"), Contains("the name of a file is expected"));
  for (unsigned mode : {0640U, 0604U, 0620U, 0601U, 0644U, 0666U}) {
    const auto path = folder.write("open.key", good, mode);
    CHECK_THAT(errors("open.key"), Contains("; run: chmod 600 " + path));
    CHECK_THAT(errors("open.key"), !Contains(good.substr(0, 8)));
  }
  folder.write("short.key", good.substr(3));
  CHECK_THAT(errors("short.key"), Contains("41 characters long"));
  CHECK_THAT(errors("short.key"), !Contains(good.substr(3, 8)));
  folder.write("empty.key", "");
  CHECK_THAT(errors("empty.key"), Contains("0 characters long"));
  folder.write("two.key", good + "\n" + good);
  CHECK_THAT(errors("two.key"), Contains("89 characters long"));
  folder.write("huge.key", std::string(100'000, 'A'));
  CHECK_THAT(errors("huge.key"), Contains("4096 characters long"));
}

TEST_CASE("The name of an interface is one that the kernel takes") {
  CHECK(interface_errors("name: abcdefghijklmno") == "");
  CHECK_THAT(interface_errors("name: abcdefghijklmnop"),
             Equals("a.yaml:3:9: interface.name: Interface name "
                    "'abcdefghijklmnop' exceeds 15 character limit\n"));
  for (const auto* bad : {"''", "a/b", "a b", "'a:b'", ".", "..", "wg%d",
                          R"("a\tb")", "ö", "[a]", ""})
    CHECK_THAT(interface_errors(std::string{"name: "} + bad),
               StartsWith("a.yaml:3:"));
  CHECK_FALSE(check_interface_name("wg0"));
  CHECK(check_interface_name(""));
}

TEST_CASE("Prefixes out of shape are errors, each at its place") {
  CHECK_THAT(interface_errors("addresses: [10.0.0.1/24, 10.0.0.2/33]"),
             Equals("a.yaml:3:28: interface.addresses[1]: '10.0.0.2/33' is no "
                    "IP prefix; ADDRESS/LENGTH is expected, such as "
                    "10.200.1.0/24 or fd00:200::/64\n"));
  for (const auto* bad :
       {"[10.0.0/8]", "['::/129']", "[10.0.0.0/]", "[a]", "[10.0.0.0/-1]",
        "'10.0.0.0/8,,'", "{a: b}", "[[10.0.0.0/8]]", "[~]"})
    CHECK_THAT(peer_errors(std::string{"allowed_ips: "} + bad),
               StartsWith("a.yaml:5:"));
}

TEST_CASE("Values of the wrong kind are errors that say what is expected") {
  CHECK_THAT(yaml_errors("interface: 5\n"),
             Contains("there is a single value; a map"));
  CHECK_THAT(yaml_errors(interface_text() + "peers: {a: b}\n"),
             Contains("there is a map; a list is expected, a dash before each "
                      "peer"));
  CHECK_THAT(yaml_errors(interface_text() + "peers: [5, [], ~]\n"),
             Contains("peers[2]: there is nothing; a map"));
  CHECK_THAT(interface_errors("mtu: [1420]"),
             Contains("there is a list; 576-65535 or auto is expected"));
  CHECK_THAT(peer_errors("endpoint:"), Contains("there is nothing"));
  CHECK_THAT(interface_errors("mtu: 65536"), Contains("576-65535"));
  CHECK_THAT(yaml_errors("a string"), Contains("a map of 'key: value' lines"));
  CHECK_THAT(yaml_errors(interface_text() + "log: {format: xml}\n"),
             Contains("text or json is expected"));
}

TEST_CASE("What is no YAML is an error with its line and column") {
  CHECK_THAT(yaml_errors("interface:\n  name: [a\nx: 1\n"),
             StartsWith("a.yaml:"));
  CHECK_THAT(yaml_errors("interface:\n\tname: a\n"), StartsWith("a.yaml:2:"));
  CHECK_THAT(yaml_errors("a: b: c\n"),
             StartsWith("a.yaml:1:5: this is no valid YAML: "));
  CHECK_THAT(yaml_errors(""), Equals("a.yaml:1:1: the file is empty; a section "
                                     "'interface' is expected\n"));
  CHECK_THAT(yaml_errors("# nothing\n"), Contains("the file is empty"));
  CHECK_THAT(yaml_errors("---\n~\n"), Contains("the file is empty"));
  CHECK_THAT(yaml_errors("a: 1\nb: \xff\n"),
             Equals("a.yaml:2:4: the file is no UTF-8 text; a YAML file is "
                    "expected\n"));
  CHECK_THAT(yaml_errors({"\xff\xfei\0n\0", 6}), Contains("no UTF-8 text"));
  for (const auto* bad : {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xe2\x82", "\x80", "\xf0\x80\x80\x80"})
    CHECK_THAT(yaml_errors(bad), Contains("no UTF-8 text"));
  CHECK_THAT(yaml_errors(std::string("a: \0b", 5)),
             StartsWith("a.yaml:1:4: there is a control character"));
  CHECK_THAT(yaml_errors(interface_text() + "---\na: b\n"),
             StartsWith("a.yaml:4:1: a second document begins"));
  CHECK_THAT(yaml_errors("interface: &a {private_key: x}\npeers: *a\n"),
             Contains("aliases (*name) are not supported"));
}

TEST_CASE("Files that are not there, too large or folders are errors") {
  const temporary_folder folder;
  const auto errors = [](const std::string& path) {
    const auto read = load_yaml(path);
    return read ? std::string{} : text_of(read.error());
  };
  const auto path = folder.path("none.yaml");
  CHECK(errors(path) == path + ": the file does not exist\n");
  CHECK_THAT(errors(folder.path(".")), Contains("this is a folder"));
  CHECK_THAT(errors("/dev/zero"), Contains("larger than 64 MiB"));
  CHECK_THAT(errors("/dev/null"), Contains("the file is empty"));
  const auto empty = folder.write("empty.yaml", "");
  CHECK_THAT(errors(empty), StartsWith(empty + ":1:1: the file is empty"));
}

TEST_CASE("Deep nesting is refused before it can exhaust the stack") {
  for (const std::string piece :
       {"[", "{", "- ", "? ", "{a: ", "[a, ", "- - "}) {
    std::string text;
    while (text.size() < 1'000'000)
      text += piece;
    INFO(piece);
    CHECK_THAT(yaml_errors(text), Contains("nested more than 16 deep"));
  }
  std::string indented;
  for (std::size_t depth = 0; depth < 1000; ++depth)
    indented += std::string(depth, ' ') + "a:\n";
  CHECK_THAT(yaml_errors(indented), Contains("nested more than 16 deep"));
}

TEST_CASE("Too many values are refused, and too many errors are counted") {
  std::string commas = "interface: [";
  for (int i = 0; i < 4'100'000; ++i)
    commas += "a,";
  CHECK_THAT(yaml_errors(commas + "a]"),
             Contains("more than 4,000,000 values"));
  std::string unknown = interface_text();
  for (int i = 0; i < 20'000; ++i)
    unknown += "k" + std::to_string(i) + ": 1\n";
  const auto read = parse_yaml(unknown, "a.yaml");
  REQUIRE_FALSE(read);
  CHECK(read.error().size() == 10'001);
  CHECK(to_string(read.error().back()) == "a.yaml: and 10000 more errors");
}

TEST_CASE("No damage to a YAML file makes the reader fail in another way") {
  std::mt19937 random{20240611};
  const auto good = interface_text("  addresses: [10.0.0.1/24]\n  mtu: 1400\n")
                    + "peers:\n"
                    + peer_text(1, "    name: 'a'\n    endpoint: b.c:5\n"
                                   "    allowed_ips: [10.0.0.0/8, '::/0']\n"
                                   "    persistent_keepalive: 25s\n")
                    + "log: {level: info, format: text}\n";
  REQUIRE(yaml_errors(good) == "");
  int accepted = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto text = mutate(good, random);
    const auto read = parse_yaml(text, "a.yaml");
    if (read) {
      ++accepted;
      const auto again = parse_yaml(format_yaml(*read), "a.yaml");
      INFO(text);
      REQUIRE(again);
      REQUIRE(*again == *read);
    } else {
      REQUIRE_FALSE(read.error().empty());
    }
  }
  CHECK(accepted > 50);
}

TEST_CASE("What a file says of socket folders, a reload takes again") {
  // Relative, from a file that is itself given by a relative name.
  const auto read = parse_yaml(interface_text("  socket_folder: sockets/\n")
                                 + "control: {socket_folder: ../control}\n",
                               "some/node.yaml");
  REQUIRE(read);
  const auto here = std::filesystem::current_path();
  CHECK(read->interface.socket_folder == (here / "some/sockets").string());
  CHECK(read->control.socket_folder == (here / "control").string());
  CHECK_FALSE(validate(*read));
}

TEST_CASE("Both sockets in one folder are a mistake, as they have one name") {
  const auto one = interface_text("  socket_folder: /run/x/../weft/\n");
  CHECK_THAT(yaml_errors(one), Contains("would have one name"));
  CHECK(yaml_errors(one + "control: {socket_folder: /run/other}\n") == "");
}

TEST_CASE("Keys in a file that others can change are refused, and told of in "
          "one that others can read") {
  const temporary_folder folder;
  const auto inside = interface_text();
  folder.write("weft0.key", base64(key(8)));
  const std::string beside = "interface: {private_key_file: weft0.key}\n";
  std::vector<std::string> warnings;
  const auto errors = [&](const std::string& text, unsigned mode) {
    const auto path = folder.write("node.yaml", text, mode);
    warnings.clear();
    const auto read = load_yaml(path, private_key_rule::required, &warnings);
    return read ? std::string{} : text_of(read.error());
  };
  CHECK(errors(inside, 0600) == "");
  CHECK(warnings.empty());
  CHECK(errors(inside, 0644) == "");
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], Contains("others can read it; run: chmod 600"));
  for (const unsigned mode : {0660U, 0666U, 0602U})
    CHECK_THAT(errors(inside, mode),
               Contains("others can change it; run: chmod 600"));
  CHECK(errors(beside, 0644) == "");
  CHECK(warnings.empty());
  CHECK(errors(beside, 0666) == "");
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], Contains("chmod go-w"));
}
