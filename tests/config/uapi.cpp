#include "config/uapi_codec.hpp"
#include "support.hpp"
#include "tests/catch.hpp"

#include <cerrno>
#include <ctime>

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

std::string hex(const secret<32>& bytes) {
  return to_hex(bytes.bytes());
}

std::string peer_hex(unsigned n) {
  return to_hex(public_of(n).bytes);
}

device_update set_of(const std::string& lines) {
  const auto read = parse_uapi_request("set=1\n" + lines);
  INFO((read ? "" : read.error().message));
  REQUIRE(read);
  return std::get<device_update>(*read);
}

/// The errno of a request that is refused; 0 if it is not.
int refusal(const std::string& text) {
  const auto read = parse_uapi_request(text);
  return read ? 0 : read.error().code;
}

int set_refusal(const std::string& lines) {
  return refusal("set=1\n" + lines);
}

} // namespace

TEST_CASE("A request for the state is told from one for a change") {
  CHECK(std::holds_alternative<uapi_get>(parse_uapi_request("get=1").value()));
  CHECK(
    std::holds_alternative<uapi_get>(parse_uapi_request("get=1\n").value()));
  CHECK(set_of("") == device_update{});
  for (const auto* bad :
       {"", "get=2", "get", "set=2", "set=1 ", "del=1", "\n",
        "get=1\nprivate_key=1", "get=1\nweft=1", "public_key=1"})
    CHECK(refusal(bad) == EINVAL);
}

TEST_CASE("Every key of a change is read") {
  const auto update = set_of(
    "private_key=" + hex(key(8))
    + "\nlisten_port=51821\nfwmark=51820\n"
      "replace_peers=true\n"
      "public_key="
    + peer_hex(1) + "\npreshared_key=" + hex(key(16))
    + "\n"
      "endpoint=[2001:db8::1]:5\npersistent_keepalive_interval=25\n"
      "replace_allowed_ips=true\nallowed_ip=10.0.0.7/8\nallowed_ip=fd00::/8\n"
      "allowed_ip=-10.1.0.0/16\nprotocol_version=1\n"
      "public_key="
    + peer_hex(2)
    + "\nremove=true\n"
      "public_key="
    + peer_hex(3)
    + "\nupdate_only=true\n"
      "endpoint=192.0.2.1:7\n");
  device_update expected;
  expected.private_key = key(8);
  expected.listen_port = 51821;
  expected.fwmark = 51820;
  expected.replace_peers = true;
  expected.peers.resize(3);
  auto& first = expected.peers[0];
  first.public_key = public_of(1);
  first.set(&peer_config::preshared_key, key(16));
  first.set(&peer_config::endpoint, *parse_endpoint("[2001:db8::1]:5"));
  first.set(&peer_config::persistent_keepalive, std::chrono::seconds{25});
  first.replace_allowed_ips = true;
  first.allowed_ips = {{prefix("10.0.0.0/8"), false},
                       {prefix("fd00::/8"), false},
                       {prefix("10.1.0.0/16"), true}};
  expected.peers[1].public_key = public_of(2);
  expected.peers[1].verb = peer_verb::remove;
  expected.peers[2].public_key = public_of(3);
  expected.peers[2].verb = peer_verb::update;
  expected.peers[2].set(&peer_config::endpoint, *parse_endpoint("192.0.2.1:7"));
  CHECK(update == expected);
}

TEST_CASE("Sixty-four zeros clear a key, and other private keys are clamped") {
  CHECK(set_of("private_key=" + std::string(64, '0')).private_key->is_zero());
  private_key ones{*from_hex(std::string(64, 'f'))};
  const auto update = set_of("private_key=" + std::string(64, 'f')
                             + "\n"
                               "public_key="
                             + peer_hex(1)
                             + "\n"
                               "preshared_key="
                             + std::string(64, '0'));
  clamp(ones);
  CHECK(*update.private_key == ones);
  CHECK(update.peers.at(0).clears(&peer_config::preshared_key));
}

TEST_CASE("Several allowed IPs may stand in one line") {
  const auto update = set_of("public_key=" + peer_hex(1)
                             + "\nallowed_ip=10.0.0.0/8, -fd00::/8,10.1.1.1\n");
  CHECK(update.peers.at(0).allowed_ips
        == std::vector<allowed_ip_change>{{prefix("10.0.0.0/8"), false},
                                          {prefix("fd00::/8"), true},
                                          {prefix("10.1.1.1/32"), false}});
}

TEST_CASE("A peer may have several sections, and they keep their order") {
  const auto section = "public_key=" + peer_hex(1) + "\n";
  const auto update = set_of(section
                             + "replace_allowed_ips=true\n"
                               "allowed_ip=10.0.0.0/8\n"
                             + section + "allowed_ip=10.1.0.0/16\n");
  REQUIRE(update.peers.size() == 2);
  CHECK(update.peers[0].replace_allowed_ips);
  CHECK_FALSE(update.peers[1].replace_allowed_ips);
  CHECK(update.peers[1].allowed_ips.at(0).prefix == prefix("10.1.0.0/16"));
}

TEST_CASE("A replacement in the middle of a section leaves what precedes it "
          "before it") {
  const auto update = set_of("public_key=" + peer_hex(1)
                             + "\n"
                               "update_only=true\nallowed_ip=10.0.0.0/8\n"
                               "replace_allowed_ips=true\n"
                               "allowed_ip=10.1.0.0/16\n");
  REQUIRE(update.peers.size() == 2);
  CHECK_FALSE(update.peers[0].replace_allowed_ips);
  CHECK(update.peers[0].allowed_ips.size() == 1);
  CHECK(update.peers[1].public_key == public_of(1));
  CHECK(update.peers[1].replace_allowed_ips);
  CHECK(update.peers[1].verb == peer_verb::update);
  CHECK(update.peers[1].allowed_ips.at(0).prefix == prefix("10.1.0.0/16"));
}

TEST_CASE("The zone of an endpoint may be the name of an interface") {
  const auto update
    = set_of("public_key=" + peer_hex(1) + "\nendpoint=[fe80::1%eth0]:51820\n");
  CHECK(*update.peers.at(0).find(&peer_config::endpoint)
        == endpoint_config{host_endpoint{"fe80::1%eth0", 51820}});
}

TEST_CASE("An endpoint that cannot be sent to is none") {
  const auto update = set_of("public_key=" + peer_hex(1)
                             + "\nendpoint=192.0.2.1:0\nallowed_ip=::/0\n");
  CHECK(update.peers.at(0).clears(&peer_config::endpoint));
  CHECK(update.peers.at(0).allowed_ips.size() == 1);
}

TEST_CASE("Malformed changes are refused as a whole, with an errno") {
  const auto section = "public_key=" + peer_hex(1) + "\n";
  CHECK(set_refusal("listen_port") == EPROTO);
  CHECK(set_refusal(section + "nonsense") == EPROTO);
  for (const std::string bad :
       {"listen_port=65536", "listen_port=-1", "listen_port=+1",
        "listen_port=0x10", "listen_port=", "listen_port=1 ", "listen_port= 1",
        "fwmark=4294967296", "fwmark=0x1", "replace_peers=false",
        "replace_peers=1", "private_key=", "private_key=00", "private_key=zz",
        "=1", "Listen_Port=1", "mtu=1420",
        // What belongs to a peer, before there is one.
        "preshared_key=00", "endpoint=192.0.2.1:5", "allowed_ip=10.0.0.0/8",
        "remove=true", "replace_allowed_ips=true", "protocol_version=1",
        "persistent_keepalive_interval=5", "update_only=true", "public_key=12"})
    CHECK(set_refusal(bad) == EINVAL);
  // A key of zeros is nobody's.
  CHECK(set_refusal("public_key=" + std::string(64, '0')) == EINVAL);
  CHECK(set_refusal(section + "public_key=" + std::string(64, '0')) == EINVAL);
  CHECK(set_refusal("private_key=" + base64(key(8))) == EINVAL);
  for (const std::string bad : {"remove=false",
                                "update_only=",
                                "replace_allowed_ips=yes",
                                "preshared_key=1",
                                "endpoint=beta.example.net:51820",
                                "endpoint=192.0.2.1",
                                "endpoint=[::1]",
                                "endpoint=",
                                "endpoint=192.0.2.1:65536",
                                "persistent_keepalive_interval=65536",
                                "persistent_keepalive_interval=off",
                                "allowed_ip=",
                                "allowed_ip=a",
                                "allowed_ip=10.0.0.0/33",
                                "allowed_ip=--10.0.0.0/8",
                                "allowed_ip=,",
                                "allowed_ip=+10.0.0.0/8",
                                "protocol_version=2",
                                "listen_port=5",
                                "private_key=00",
                                "replace_peers=true",
                                "errno=0",
                                "rx_bytes=1"})
    CHECK(set_refusal(section + bad) == EINVAL);
}

TEST_CASE("The reason for a refusal shows no key") {
  const auto secret = hex(key(8)).substr(1);
  for (const auto& lines :
       {"private_key=" + secret, "listen_port=" + secret, secret, secret + "=1",
        "public_key=" + peer_hex(1) + "\npreshared_key=" + secret,
        "public_key=" + peer_hex(1) + "\nendpoint=" + secret}) {
    const auto read = parse_uapi_request("set=1\n" + lines);
    REQUIRE_FALSE(read);
    CHECK_THAT(read.error().message, !Contains(secret.substr(0, 16)));
  }
  CHECK(parse_uapi_request("set=1\nmtu=5").error().message
        == "'mtu' is no key of a device");
  CHECK(parse_uapi_request("set=1\nlisten_port=x").error().message
        == "listen_port: 'x' is no number up to 65535");
}

TEST_CASE("An error is written with the sign that wg turns into a sentence") {
  CHECK(format_uapi_errno(0) == "errno=0\n\n");
  CHECK(format_uapi_errno(EINVAL) == "errno=-22\n\n");
  CHECK(format_uapi_errno(-EINVAL) == "errno=-22\n\n");
}

TEST_CASE("The state is written in wireguard-go's order") {
  device_status status;
  status.private_key = key(8);
  status.public_key = derive_public_key(key(8));
  status.listen_port = 51820;
  status.fwmark = 7;
  status.peers.resize(2);
  auto& first = status.peers[0];
  first.name = "not shown";
  first.public_key = public_of(1);
  first.preshared_key = key(16);
  first.endpoint = *parse_endpoint("[2001:db8::1]:5");
  first.allowed_ips = {prefix("10.0.0.0/8"), prefix("fd00::/8")};
  first.persistent_keepalive = std::chrono::seconds{25};
  first.last_handshake
    = wall_time{std::chrono::nanoseconds{1'700'000'000'000'000'042}};
  first.tx_bytes = 18'446'744'073'709'551'615U;
  first.rx_bytes = 3;
  status.peers[1].public_key = public_of(2);
  const auto text = format_uapi_status(status);
  CHECK(text
        == "private_key=" + hex(key(8))
             + "\n"
               "listen_port=51820\n"
               "fwmark=7\n"
               "public_key="
             + peer_hex(1)
             + "\n"
               "preshared_key="
             + hex(key(16))
             + "\n"
               "protocol_version=1\n"
               "endpoint=[2001:db8::1]:5\n"
               "last_handshake_time_sec=1700000000\n"
               "last_handshake_time_nsec=42\n"
               "tx_bytes=18446744073709551615\n"
               "rx_bytes=3\n"
               "persistent_keepalive_interval=25\n"
               "allowed_ip=10.0.0.0/8\n"
               "allowed_ip=fd00::/8\n"
               "public_key="
             + peer_hex(2)
             + "\n"
               "preshared_key="
             + std::string(64, '0')
             + "\n"
               "protocol_version=1\n"
               "last_handshake_time_sec=0\n"
               "last_handshake_time_nsec=0\n"
               "tx_bytes=0\n"
               "rx_bytes=0\n"
               "persistent_keepalive_interval=0\n"
               "errno=0\n\n");
}

TEST_CASE("A device without a key, a port and a mark says nothing of them") {
  CHECK(format_uapi_status({}) == "errno=0\n\n");
}

TEST_CASE("Requests are cut at empty lines, however the bytes arrive") {
  const std::string stream = "get=1\n\nset=1\nlisten_port=5\n\nnonsense\n\n\n"
                             "get=1\n\nset=1\n";
  for (const std::size_t step : {1U, 2U, 3U, 7U, 1000U}) {
    uapi_reader reader;
    std::string seen;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      REQUIRE(reader.add(stream.substr(at, step)));
      while (auto request = reader.next()) {
        if (!*request)
          seen += 'e';
        else
          seen += std::holds_alternative<uapi_get>(**request) ? 'g' : 's';
      }
    }
    CHECK(seen == "gseeg");
    CHECK_FALSE(reader.next());
    REQUIRE(reader.add("fwmark=9\n\n"));
    const auto last = reader.next();
    REQUIRE(last);
    CHECK(std::get<device_update>(last->value()).fwmark == 9U);
  }
}

TEST_CASE("A request that is too long is refused, and so is all that follows") {
  uapi_reader reader;
  const std::string block(std::size_t{1} << 20, 'x');
  for (int i = 0; i < 64; ++i) {
    REQUIRE(reader.add(block));
    REQUIRE_FALSE(reader.next());
  }
  CHECK_FALSE(reader.add("\n"));
  CHECK_FALSE(reader.add("\n\n"));
}

TEST_CASE("A large request that arrives in small pieces is read quickly") {
  uapi_reader reader;
  std::string text = "set=1\npublic_key=" + peer_hex(1) + "\n";
  for (int i = 0; i < 200'000; ++i)
    text += "allowed_ip=10." + std::to_string(i / 65536) + "."
            + std::to_string(i / 256 % 256) + "." + std::to_string(i % 256)
            + "/32\n";
  text += "\n";
  const auto begin = std::clock();
  for (std::size_t at = 0; at < text.size(); at += 512) {
    REQUIRE_FALSE(reader.next());
    REQUIRE(reader.add(std::string_view{text}.substr(at, 512)));
  }
  const auto request = reader.next();
  REQUIRE(request);
  CHECK(std::get<device_update>(request->value()).peers.at(0).allowed_ips.size()
        == 200'000);
  // It takes 0.1 s of a processor; searching from the beginning each time would
  // take minutes.
  CHECK(std::clock() - begin < 10 * CLOCKS_PER_SEC);
}

TEST_CASE("No damage to a request makes the parser fail in another way") {
  std::mt19937 random{99};
  const auto good = "set=1\nprivate_key=" + hex(key(8))
                    + "\nlisten_port=1\npublic_key=" + peer_hex(1)
                    + "\nendpoint=192.0.2.1:5\nreplace_allowed_ips=true\n"
                      "allowed_ip=10.0.0.0/8,-::/0\n"
                      "persistent_keepalive_interval=7\n";
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto text = mutate(good, random);
    uapi_reader reader;
    REQUIRE(reader.add(text + "\n\n"));
    while (const auto request = reader.next())
      accepted += *request ? 1 : 0;
  }
  CHECK(accepted > 100);
}
