// The commands that change peers, against an overlay that keeps what it is
// asked.

#include "console.hpp"
#include "example_device.hpp"
#include "example_overlay.hpp"
#include "temporary_folder.hpp"
#include "tests/catch.hpp"
#include "tools/weft/commands/control_commands.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>

using namespace weft;
using namespace std::chrono_literals;
using Catch::Contains;
using nlohmann::json;

namespace {

const auto key = to_string(example_key(0x44));

/// A node with the example's peers, and a terminal.
struct fixture : example_node, console {
  fixture() {
    script->status = example_device();
    script->changes.peers_changed = 1;
  }
};

std::string
write_key(const temporary_folder& folder, std::filesystem::perms mode) {
  const auto path = folder.write("psk", key + '\n');
  std::filesystem::permissions(path, mode);
  return path;
}

constexpr auto owner_only
  = std::filesystem::perms::owner_read | std::filesystem::perms::owner_write;

} // namespace

TEST_CASE("peer add sends the whole peer") {
  const temporary_folder folder;
  fixture node;
  node.script->changes = {1, 0, 0, {}};
  peer_options options;
  options.peer = key;
  options.text_of(&peer_config::name) = "gamma";
  options.text_of(&peer_config::endpoint) = "gamma.example.net:51820";
  options.list_of(&peer_config::allowed_ips)
    = {"10.0.0.9/24", "fd00::/64,10.1.0.1"};
  options.text_of(&peer_config::persistent_keepalive) = "25s";
  options.text_of(&peer_config::preshared_key) = write_key(folder, owner_only);
  REQUIRE(add_peer_as(options, node.link(), node.io()) == exit_fine);
  CHECK(node.out.str() == "1 peer added\n");

  const auto sent = node.script->all<add_peer>();
  REQUIRE(sent.size() == 1);
  peer_config expected;
  expected.name = "gamma";
  expected.public_key = example_key(0x44);
  expected.preshared_key = preshared_key{*from_base64(key)};
  expected.endpoint = host_endpoint{"gamma.example.net", 51820};
  expected.allowed_ips
    = {*parse_ip_prefix("10.0.0.0/24"), *parse_ip_prefix("fd00::/64"),
       *parse_ip_prefix("10.1.0.1/32")};
  expected.persistent_keepalive = 25s;
  CHECK(sent[0].peer == expected);
}

TEST_CASE("peer and allow pass on how a change is assured") {
  fixture node;
  peer_options options;
  options.peer = key;
  options.assured = {60s, true};
  REQUIRE(add_peer_as(options, node.link(), node.io()) == exit_fine);
  CHECK(node.script->all<add_peer>().at(0).confirm_within == 60s);
  CHECK(node.script->all<add_peer>().at(0).assured);
  options.peer = "beta";
  options.text_of(&peer_config::default_route) = "true";
  REQUIRE(change_peer(options, node.link(), node.io()) == exit_fine);
  REQUIRE(change_allowed_ips("beta", {"0.0.0.0/0"}, false, options.assured,
                             node.link(), node.io())
          == exit_fine);
  for (const auto& sent : node.script->all<update_peer>()) {
    CHECK(sent.confirm_within == 60s);
    CHECK(sent.assured);
  }
  CHECK(node.script->all<update_peer>().size() == 2);
  auto saving = node.link();
  saving.save = true;
  CHECK(change_peer(options, saving, node.io()) == exit_mistaken);
  CHECK_THAT(node.err.str(), Contains("on trial cannot be saved"));
}

TEST_CASE("peer add needs no more than a key") {
  fixture node;
  peer_options options;
  options.peer = key;
  REQUIRE(add_peer_as(options, node.link(true), node.io()) == exit_fine);
  CHECK(json::parse(node.out.str()).at("peers_changed") == 1);
  peer_config expected;
  expected.public_key = example_key(0x44);
  CHECK(node.script->all<add_peer>().at(0).peer == expected);
}

TEST_CASE(
  "what is wrong with a peer's options is said before anything is sent") {
  const temporary_folder folder;
  fixture node;
  peer_options options;
  options.peer = key;
  std::string expected;
  SECTION("a name for a key") {
    options.peer = "beta";
    expected = "KEY: ";
  }
  SECTION("an empty name") {
    options.text_of(&peer_config::name) = "";
    expected = "--name: ";
  }
  SECTION("an endpoint without a port") {
    options.text_of(&peer_config::endpoint) = "192.0.2.1";
    expected = "--endpoint: ";
  }
  SECTION("a prefix") {
    options.list_of(&peer_config::allowed_ips) = {"10.0.0.0/24", "10.0.0.0/33"};
    expected = "--allowed-ip: ";
  }
  SECTION("an interval") {
    options.text_of(&peer_config::persistent_keepalive) = "often";
    expected = "--keepalive: ";
  }
  SECTION("a file of a key that everybody can read") {
    options.text_of(&peer_config::preshared_key)
      = write_key(folder, std::filesystem::perms{0644});
    expected = "--preshared-key-file: ";
  }
  SECTION("a file that does not exist") {
    options.text_of(&peer_config::preshared_key) = folder.path() + "/absent";
    expected = "--preshared-key-file: " + folder.path() + "/absent: ";
  }
  CHECK(add_peer_as(options, node.link(), node.io()) == exit_mistaken);
  CHECK_THAT(node.err.str(), Catch::StartsWith("weft: " + expected));
  CHECK(node.err.str().find(key) == std::string::npos);
  CHECK(node.out.str().empty());
  CHECK(node.script->requests.empty());
}

TEST_CASE("peer set sends what is stated and nothing else") {
  fixture node;
  peer_options options;
  options.peer = "beta";
  SECTION("an endpoint") {
    options.text_of(&peer_config::endpoint) = "[2001:db8::1]:51820";
    REQUIRE(change_peer(options, node.link(), node.io()) == exit_fine);
    patch<peer_config> expected;
    expected.public_key = example_key(0x22);
    expected.set(&peer_config::endpoint,
                 *parse_endpoint("[2001:db8::1]:51820"));
    CHECK(node.script->all<update_peer>().at(0).update == expected);
    CHECK(node.out.str() == "1 peer changed\n");
  }
  SECTION("allowed IPs take the place of the former ones") {
    options.list_of(&peer_config::allowed_ips) = {"10.9.0.0/16"};
    REQUIRE(change_peer(options, node.link(), node.io()) == exit_fine);
    patch<peer_config> expected;
    expected.public_key = example_key(0x22);
    expected.replace_allowed_ips = true;
    expected.allowed_ips = {{*parse_ip_prefix("10.9.0.0/16"), false}};
    CHECK(node.script->all<update_peer>().at(0).update == expected);
  }
  SECTION("none takes things away") {
    options.peer = to_string(example_key(0x22));
    options.list_of(&peer_config::allowed_ips) = {"none"};
    options.text_of(&peer_config::preshared_key) = "none";
    options.text_of(&peer_config::persistent_keepalive) = "off";
    options.text_of(&peer_config::endpoint) = "none";
    REQUIRE(change_peer(options, node.link(), node.io()) == exit_fine);
    patch<peer_config> expected;
    expected.public_key = example_key(0x22);
    expected.replace_allowed_ips = true;
    expected.clear(&peer_config::preshared_key);
    expected.set(&peer_config::persistent_keepalive, 0s);
    expected.clear(&peer_config::endpoint);
    CHECK(node.script->all<update_peer>().at(0).update == expected);
    // A key needs no look-up.
    CHECK(node.script->all<get_status>().empty());
  }
  SECTION("nothing is a mistake") {
    CHECK(change_peer(options, node.link(), node.io()) == exit_mistaken);
    CHECK_THAT(node.err.str(), Contains("--endpoint"));
    CHECK(node.script->requests.empty());
  }
}

TEST_CASE("peer remove takes a key or a name") {
  fixture node;
  node.script->changes = {0, 0, 1, {}};
  REQUIRE(remove_peer_called("beta", node.link(), node.io()) == exit_fine);
  REQUIRE(remove_peer_called(key, node.link(), node.io()) == exit_fine);
  const auto sent = node.script->all<remove_peer>();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].peer == example_key(0x22));
  CHECK(sent[1].peer == example_key(0x44));
  CHECK(node.out.str() == "1 peer removed\n1 peer removed\n");
}

TEST_CASE("a name that no peer has exits with 5") {
  fixture node;
  const auto refuse = [&](const std::string& name) {
    node.err.str("");
    CHECK(remove_peer_called(name, node.link(), node.io()) == exit_no_peer);
    return node.err.str();
  };
  CHECK(refuse("betta")
        == "weft: there is no peer 'betta'; did you mean 'beta'?\n");
  CHECK(refuse("somebody-else")
        == "weft: there is no peer 'somebody-else'; 'weft peers' lists them\n");
  CHECK(node.script->all<remove_peer>().empty());
  CHECK(remove_peer_called("", node.link(), node.io()) == exit_mistaken);
}

TEST_CASE("a name that two peers have is refused") {
  fixture node;
  for (auto& peer : node.script->status.peers)
    peer.name = "twin";
  CHECK(remove_peer_called("twin", node.link(), node.io()) == exit_mistaken);
  CHECK_THAT(node.err.str(), Contains("'twin' is the name of several"));
  CHECK(node.script->all<remove_peer>().empty());
}

TEST_CASE("the beginning of a key means its peer, as screens show it") {
  fixture node;
  const auto silent = example_key(0x33);
  for (const auto* text : {"MzMzMzMz...", "MzMzMzMz", "MzMz"}) {
    INFO(text);
    CHECK(remove_peer_called(text, node.link(), node.io()) == exit_fine);
    CHECK(node.script->all<remove_peer>().back().peer == silent);
  }
  SECTION("unless it is too short, or nobody's") {
    for (const auto* text : {"MzM", "Mz...", "AAAA", "MzMzMzMz...x"})
      CHECK(remove_peer_called(text, node.link(), node.io()) == exit_no_peer);
  }
  SECTION("unless it is of several") {
    auto& other = node.script->status.peers.emplace_back();
    other.public_key = silent;
    other.public_key.bytes.back() = std::byte{0};
    CHECK(remove_peer_called("MzMzMzMz...", node.link(), node.io())
          == exit_mistaken);
    CHECK_THAT(node.err.str(), Contains("begins several keys")
                                 && Contains(to_string(silent))
                                 && Contains(to_string(other.public_key)));
  }
  SECTION("unless it is another one's name") {
    node.script->status.peers[1].name = "MzMz";
    CHECK(remove_peer_called("MzMz", node.link(), node.io()) == exit_fine);
    CHECK(node.script->all<remove_peer>().back().peer == example_key(0x22));
  }
}

TEST_CASE(
  "allow add and remove send one prefix as such, several as one change") {
  fixture node;
  const auto beta = example_key(0x22);
  REQUIRE(change_allowed_ips("beta", {"10.7.0.1/16"}, false, {}, node.link(),
                             node.io())
          == exit_fine);
  const auto added = node.script->all<add_allowed_ip>();
  REQUIRE(added.size() == 1);
  CHECK(added[0].peer == beta);
  CHECK(added[0].prefix == *parse_ip_prefix("10.7.0.0/16"));

  REQUIRE(change_allowed_ips("beta", {"10.7.0.0/16"}, true, {}, node.link(),
                             node.io())
          == exit_fine);
  const auto removed = node.script->all<remove_allowed_ip>();
  REQUIRE(removed.size() == 1);
  CHECK(removed[0].prefix == added[0].prefix);

  REQUIRE(change_allowed_ips("beta", {"10.7.0.0/16", "fd00::/8"}, true, {},
                             node.link(), node.io())
          == exit_fine);
  patch<peer_config> both;
  both.public_key = beta;
  both.allowed_ips = {{*parse_ip_prefix("10.7.0.0/16"), true},
                      {*parse_ip_prefix("fd00::/8"), true}};
  CHECK(node.script->all<update_peer>().at(0).update == both);

  CHECK(change_allowed_ips("beta", {"10.7.0.0/99"}, false, {}, node.link(),
                           node.io())
        == exit_mistaken);
  CHECK_THAT(node.err.str(), Contains("PREFIX: "));
}

TEST_CASE("what an overlay refuses decides on the exit code") {
  fixture node;
  const auto run = [&](const caf::error& refusal, bool as_json) {
    node.script->refusal = refusal;
    node.err.str("");
    return remove_peer_called(key, node.link(as_json), node.io());
  };
  CHECK(run(make_error(EPERM, "As viewer: no"), false) == exit_forbidden);
  CHECK(node.err.str() == "weft: As viewer: no\n");
  CHECK(run(make_error(ENOENT, "there is no peer", "peer"), true)
        == exit_no_peer);
  CHECK(json::parse(node.err.str()).at("error")
        == json{{"code", "ENOENT"},
                {"message", "there is no peer"},
                {"field", "peer"}});
  CHECK(run(make_error(ENOTCONN, "gone"), false) == exit_unreachable);
  CHECK(run(make_error(EINVAL, "bad", "peer.name"), false) == exit_mistaken);
  CHECK(run(make_error(EIO, "broken"), false) == exit_failure);
  CHECK(node.out.str().empty());
}

TEST_CASE("an overlay that does not answer, or is gone, exits with 3") {
  fixture node;
  auto link = node.link();
  SECTION("silent") {
    node.script->silent = true;
    link.timeout = 50ms;
    CHECK(list_peers(link, node.io()) == exit_unreachable);
    CHECK_THAT(node.err.str(), Contains("no answer within 1 s"));
  }
  SECTION("gone") {
    caf::anon_send_exit(node.overlay, caf::exit_reason::kill);
    CHECK(list_peers(link, node.io()) == exit_unreachable);
    CHECK_THAT(node.err.str(), Contains("connection was lost"));
  }
}

TEST_CASE("peers lists all pages of a large node") {
  fixture node;
  auto& peers = node.script->status.peers;
  peers.clear();
  for (int i = 0; i < 5000; ++i) {
    auto& peer = peers.emplace_back();
    peer.name = "p" + std::to_string(10000 + i);
    peer.public_key.bytes[0] = std::byte(i & 255);
    peer.public_key.bytes[1] = std::byte(i >> 8);
  }
  REQUIRE(list_peers(node.link(true), node.io()) == exit_fine);
  const auto all = json::parse(node.out.str());
  REQUIRE(all.size() == 5000);
  CHECK(all[0].at("name") == "p10000");
  CHECK(all[4999].at("name") == "p14999");
  const auto asked = node.script->all<get_status>();
  REQUIRE(asked.size() == 5);
  CHECK(asked[0].first_peer == 0);
  CHECK(asked[4].first_peer == 4000);
  for (const auto& one : asked)
    CHECK(one.max_peers == get_status::most);
  // A name on the last page is found, too.
  CHECK(remove_peer_called("p14999", node.link(), node.io()) == exit_fine);
  CHECK(node.script->all<remove_peer>().at(0).peer == peers[4999].public_key);
}

TEST_CASE("peers prints a line for each peer, sorted by name") {
  fixture node;
  REQUIRE(list_peers(node.link(), node.io()) == exit_fine);
  const auto text = node.out.str();
  CHECK(text.find("\nbeta ") < text.find("\nMzMzMzMz... "));
  CHECK_THAT(text, Contains("192.0.2.7:51820  no answer\n"));
}

TEST_CASE("nothing that peers prints is a secret") {
  fixture node;
  for (const bool as_json : {false, true})
    REQUIRE(list_peers(node.link(as_json), node.io()) == exit_fine);
  const auto& device = node.script->status;
  CHECK(node.out.str().find(to_base64(device.private_key.bytes()))
        == std::string::npos);
  CHECK(node.out.str().find(to_base64(device.peers[1].preshared_key.bytes()))
        == std::string::npos);
}
