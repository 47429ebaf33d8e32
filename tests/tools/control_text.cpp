#include "tools/weft/view/control_text.hpp"

#include "example_device.hpp"
#include "messages/errors.hpp"
#include "tests/catch.hpp"
#include "tools/weft/failure.hpp"
#include "tools/weft/places/requests.hpp"
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/status_text.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <set>
#include <sstream>

using namespace weft;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

overlay_event example_event() {
  overlay_event event;
  event.kind = event_kind::endpoint_changed;
  event.when = example_now + 123ms;
  event.interface = "weft0";
  event.peer = example_key(0x22);
  event.peer_name = "beta";
  event.endpoint = parse_endpoint("192.0.2.7:51820");
  event.reason = "heard from it";
  return event;
}

std::size_t widest_line(const std::string& text) {
  std::istringstream lines(text);
  std::size_t widest = 0;
  for (std::string line; std::getline(lines, line);)
    widest = std::max(widest, display_width(line));
  return widest;
}

std::size_t count_lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

} // namespace

TEST_CASE("changes are summed up in a line, and notes follow") {
  CHECK(format_changes({}, false) == "nothing to change\n");
  CHECK(format_changes({1, 0, 0, {}}, false) == "1 peer added\n");
  CHECK(format_changes({0, 2, 0, {}}, false) == "2 peers changed\n");
  CHECK(format_changes({2, 1, 3, {"interface.mtu: 1380", "a\x1B[2Jb"}}, false)
        == "2 peers added, 1 changed, 3 removed\n"
           "interface.mtu: 1380\na?[2Jb\n");
  CHECK(format_changes({0, 0, 0, {"log.level: debug"}}, false)
        == "log.level: debug\n");
}

TEST_CASE("changes as JSON have all numbers and notes") {
  CHECK(json::parse(format_changes({2, 1, 3, {"one"}}, true))
        == json::parse(R"({
    "peers_added": 2, "peers_changed": 1, "peers_removed": 3, "notes": ["one"]
  })"));
}

TEST_CASE("times are shown in UTC with milliseconds") {
  CHECK(format_time(example_now + 123ms) == "2023-11-14T22:13:20.123Z");
  CHECK(format_time(wall_time{}) == "1970-01-01T00:00:00.000Z");
  CHECK(format_time(wall_time{} - 1ns) == "1969-12-31T23:59:59.999Z");
}

TEST_CASE("an event is a line with what is known of it") {
  auto event = example_event();
  CHECK(format_event(event, false)
        == "2023-11-14T22:13:20.123Z  endpoint_changed     beta  "
           "192.0.2.7:51820  heard from it\n");
  event.peer_name.clear();
  event.endpoint.reset();
  event.kind = event_kind::handshake_completed;
  CHECK(format_event(event, false)
        == "2023-11-14T22:13:20.123Z  handshake_completed  IiIiIiIi...  "
           "heard from it\n");
  event.kind = event_kind::interface_lost;
  event.peer = {};
  event.reason.clear();
  CHECK(format_event(event, false)
        == "2023-11-14T22:13:20.123Z  interface_lost\n");
}

TEST_CASE("an event as JSON is one line with the same keys each time") {
  const auto text = format_event(example_event(), true);
  CHECK(count_lines(text) == 1);
  CHECK(json::parse(text) == json::parse(R"({
    "time": 1700000000.123,
    "kind": "endpoint_changed",
    "interface": "weft0",
    "public_key": "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI=",
    "name": "beta",
    "endpoint": "192.0.2.7:51820",
    "reason": "heard from it"
  })"));
  const auto bare = json::parse(format_event({}, true));
  for (const auto* key :
       {"interface", "public_key", "name", "endpoint", "reason"})
    CHECK(bare.at(key).is_null());
  const auto news
    = json::parse(format_connection("connected", example_now, "why", true));
  CHECK(news.size() == bare.size());
  CHECK(news.at("kind") == "connected");
  CHECK(news.at("reason") == "why");
}

TEST_CASE("what an event tells cannot steer the terminal") {
  auto event = example_event();
  event.peer_name = "evil\x1B]0;title\x07\nforged line";
  event.reason = "\xC2\x9B"
                 "2J";
  const auto text = format_event(event, false);
  CHECK(text.find('\x1B') == std::string::npos);
  CHECK(text.find('\x9B') == std::string::npos);
  CHECK(count_lines(text) == 1);
  const auto line = format_event(event, true);
  CHECK(line.find('\x1B') == std::string::npos);
  CHECK(line.find('\x9B') == std::string::npos);
  CHECK(json::parse(line).at("name") == event.peer_name);
}

// -- failures ----------------------------------------------------------------

TEST_CASE("a failure is a line, or an object with code, message and field") {
  const failure what{exit_no_peer, ENOENT, "there is none\nof \x1B[1mit",
                     "peer"};
  CHECK(format_failure(what, false) == "weft: there is none\nof ?[1mit\n");
  CHECK(
    json::parse(format_failure(what, true)).at("error")
    == json{{"code", "ENOENT"}, {"message", what.message}, {"field", "peer"}});
  const auto bare
    = json::parse(format_failure({exit_failure, 0, "x"}, true)).at("error");
  CHECK(bare.at("code").is_null());
  CHECK(bare.at("field").is_null());
}

TEST_CASE("the errno of an answer decides on the exit code") {
  const auto exit_of = [](int code, const std::string& field = "") {
    const auto error = make_error(code, "why", field);
    const auto what = to_failure(error, 10s);
    CHECK(what.message == "why");
    CHECK(what.field == field);
    CHECK(what.code == code);
    return what.exit;
  };
  CHECK(exit_of(EPERM) == exit_forbidden);
  CHECK(exit_of(EACCES) == exit_forbidden);
  CHECK(exit_of(ENOENT, "peer") == exit_no_peer);
  CHECK(exit_of(ENOENT) == exit_mistaken);
  CHECK(exit_of(EINVAL, "peer.name") == exit_mistaken);
  CHECK(exit_of(EEXIST, "peer.name") == exit_mistaken);
  for (const auto code : {ENOTCONN, ECONNREFUSED, ECONNRESET, ETIMEDOUT,
                          EHOSTUNREACH, EPROTO, EPROTONOSUPPORT, ENODEV})
    CHECK(exit_of(code) == exit_unreachable);
  CHECK(exit_of(EIO) == exit_failure);
  CHECK(exit_of(ENOSPC) == exit_failure);
}

TEST_CASE("an answer that does not come says how long was waited for it") {
  const auto what = to_failure(caf::make_error(caf::sec::request_timeout), 10s);
  CHECK(what.exit == exit_unreachable);
  CHECK(what.message.find("no answer within 10 s") == 0);
}

// -- one line a peer ---------------------------------------------------------

TEST_CASE("peers are shown in a line each, with what stands in their way") {
  auto device = example_device();
  sort_peers(device);
  CHECK(format_peers(device, example_now, 200)
        == "PEER         STATE     SINCE  HANDSHAKE  RECEIVED      SENT  "
           "ENDPOINT         TROUBLE\n"
           "beta         failing   1m30s  1m4s ago   1.50 KiB  4.76 MiB  "
           "192.0.2.7:51820  no answer\n"
           "MzMzMzMz...  disabled  -      never           0 B       0 B  -\n");
}

TEST_CASE("no peers are a line of titles") {
  CHECK(format_peers({}, example_now)
        == "PEER  STATE  SINCE  HANDSHAKE  RECEIVED  SENT  ENDPOINT  "
           "TROUBLE\n");
}

TEST_CASE("on 80 columns neither IPv4 endpoints nor troubles are cut") {
  device_status device;
  peer_status peer;
  peer.name = "eighteen-letters-x";
  peer.endpoint = parse_endpoint("255.255.255.255:65535");
  peer.last_handshake = example_now - (99 * 24h + 23h);
  peer.rx_bytes = 1023 * 1024;
  peer.state.word = peer_word::failing;
  peer.state.since = example_now - 20s;
  peer.state.reason = "no answer from 255.255.255.255:65535, 3 tries: is the "
                      "other side running, and does it know our key?";
  device.peers = {peer};
  CHECK(format_peers(device, example_now)
        == "PEER           STATE    SINCE  HANDSHAKE   RECEIVED  SENT  "
           "ENDPOINT\n"
           "eighte..ers-x  failing  20s    99d23h ago  1023 KiB   0 B  "
           "255.255.255.255:65535\n"
           "    no answer from 255.255.255.255:65535, 3 tries: is the other "
           "side running,\n"
           "    and does it know our key?\n");
}

TEST_CASE("the widest peers stay within a terminal, and a pipe gets all") {
  device_status device;
  peer_status peer;
  peer.name = std::string(64, 'n');
  peer.endpoint
    = parse_endpoint("[2001:db8:1111:2222:3333:4444:5555:6666]:51820");
  peer.last_handshake = example_now - (99 * 24h + 23h);
  peer.rx_bytes = 1023 * 1024;
  peer.state.word = peer_word::connecting;
  peer.state.reason = std::string(72, 'r');
  peer.state.since = example_now - (99 * 24h + 23h);
  device.peers.assign(1000, peer);
  const auto text = format_peers(device, example_now);
  CHECK(widest_line(text) == 80);
  CHECK(count_lines(text) == 1 + 2 * 1000);
  for (const auto* cell :
       {"nnnnn..nnnnn", "connecting", "99d23h ago", "[2001:", "]:51820"})
    CHECK(text.find(cell) != std::string::npos);
  const auto whole = format_peers(device, example_now, width_for({}));
  CHECK(count_lines(whole) == 1001);
  CHECK(whole.find(peer.name) != std::string::npos);
  CHECK(whole.find(to_string(*peer.endpoint)) != std::string::npos);
  CHECK(whole.find(peer.state.reason + "\n") != std::string::npos);
}

TEST_CASE("names that are cut do not look alike") {
  device_status device;
  for (const auto* site : {"amsterdam", "rotterdam"}) {
    auto& peer = device.peers.emplace_back();
    peer.name = std::string("customer-network-") + site + "-gateway-number-1";
    peer.last_handshake = example_now - (99 * 24h + 23h);
    peer.endpoint
      = parse_endpoint("[2001:db8:1111:2222:3333:4444:5555:6666]:51820");
  }
  const auto text = format_peers(device, example_now);
  std::istringstream lines(text);
  std::set<std::string> labels;
  for (std::string line; std::getline(lines, line);)
    labels.insert(line.substr(0, line.find(' ')));
  CHECK(labels.size() == 3);
}

TEST_CASE("a peer's name cannot steer the terminal in its line") {
  auto device = example_device();
  device.peers[1].name = "evil\x1B]0;title\x07\nforged line";
  const auto text = format_peers(device, example_now);
  CHECK(text.find('\x1B') == std::string::npos);
  CHECK(count_lines(text) == 1 + 2 + 1); // what stands in its way is below it
}
