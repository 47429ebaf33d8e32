// What `weft explain` makes of the facts: each mistake that operators made, and
// the sentence that it ends with.

#include "tools/weft/commands/explain.hpp"

#include "console.hpp"
#include "example_device.hpp"
#include "example_overlay.hpp"
#include "protocol/tunnel/trouble_words.hpp"
#include "tests/catch.hpp"
#include "tools/weft/explain/firewall.hpp"
#include "tools/weft/explain/host.hpp"
#include "tools/weft/explain/judge.hpp"
#include "tools/weft/view/explain_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>

using namespace weft;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

endpoint at(const std::string& text) {
  return parse_endpoint(text).value();
}
ip_prefix net(const std::string& text) {
  return parse_ip_prefix(text).value();
}

/// A peer with which all is well; the tests spoil it.
struct sound {
  sound() {
    facts.node.interface = "weft0";
    facts.node.public_key = example_key(0x11);
    facts.node.addresses = {net("10.0.0.1/24")};
    facts.node.listen_port = 51820;
    facts.node.mtu = 1420;
    facts.peer.name = "beta";
    facts.peer.public_key = example_key(0x22);
    facts.peer.endpoint = at("192.0.2.7:51820");
    facts.peer.allowed_ips = {net("10.0.0.2/32"), net("10.1.0.0/16")};
    facts.peer.state.word = peer_word::up;
    facts.now = example_now;
    facts.tried = facts.answered = true;
    facts.host = host_facts{true,
                            route_facts{0, "eth0", 1500},
                            {{net("10.0.0.2/32"), {0, "weft0", 1420}},
                             {net("10.1.0.0/16"), {0, "weft0", 1420}}},
                            {true, {}}};
  }
  void fails_with(const peer_trouble& what) {
    facts.answered = false;
    facts.peer.state.word = peer_word::failing;
    facts.peer.state.since = example_now - 20s;
    facts.peer.state.tries = 4;
    troubled(facts.peer.state, what);
  }
  static void troubled(peer_state& state, const peer_trouble& what) {
    state.reason = to_string(what);
    state.cause = cause_of(what);
  }
  /// The other node, as it has to be.
  other_facts& asks_other() {
    other_facts other;
    other.node.interface = "weft1";
    other.node.public_key = facts.peer.public_key;
    other.node.addresses = {net("10.0.0.2/24")};
    other.node.listen_port = 51820;
    peer_status us;
    us.public_key = facts.node.public_key;
    us.allowed_ips = {net("10.0.0.1/32")};
    us.state.word = peer_word::up;
    other.about = us;
    facts.other = other;
    return *facts.other;
  }
  /// The sentence, which is about something that is wrong.
  std::string says() const {
    const auto found = judge(facts);
    REQUIRE_FALSE(is_well(found));
    return conclusion(facts, found);
  }

  peer_facts facts;
};

} // namespace

TEST_CASE_METHOD(sound, "Of a peer with which all is well nothing is said") {
  CHECK(judge(facts).empty());
  asks_other();
  CHECK(judge(facts).empty());
  CHECK(conclusion(facts, {}) == "beta answers, and nothing is wrong");
  facts.tried = facts.answered = false; // by a viewer
  CHECK(judge(facts).empty());
  CHECK(conclusion(facts, {}) == "nothing was found that is wrong with beta");
}

// -- the mistakes ------------------------------------------------------------

TEST_CASE_METHOD(sound, "Explained: a wrong key of the peer") {
  fails_with(trouble::no_answer{at("192.0.2.7:51820"), 3});
  CHECK_THAT(says(), Contains("between the two: beta: no answer from "
                              "192.0.2.7:51820, 3 tries"));
  asks_other().node.public_key = example_key(0x55);
  CHECK_THAT(says(),
             Contains("on this side: we know beta by the key ")
               && Contains("its own is " + to_string(example_key(0x55))));
}

TEST_CASE_METHOD(sound, "Explained: the peer does not know us") {
  fails_with(trouble::no_answer{at("192.0.2.7:51820"), 3});
  asks_other().about.reset();
  CHECK_THAT(says(), Contains("on the other side: beta does not know this "
                              "node: add the key "
                              + to_string(example_key(0x11))));
}

TEST_CASE_METHOD(sound, "Explained: preshared keys that differ") {
  fails_with(trouble::answer_not_opened{at("192.0.2.7:51820")});
  CHECK_THAT(says(), Contains("on both sides: beta: ")
                       && Contains("the preshared keys differ"));
}

TEST_CASE_METHOD(sound, "Explained: a firewall that drops") {
  fails_with(trouble::no_answer{at("192.0.2.7:51820"), 3});
  facts.host->firewall.refusals = {"a rule refuses it: take the rule away"};
  CHECK_THAT(says(), Contains("on this side: a rule refuses it"));
  facts.answered = true;
  facts.peer.state = {};
  facts.peer.state.word = peer_word::up;
  CHECK(is_well(judge(facts)));
}

TEST_CASE_METHOD(sound, "Explained: a closed port, and a wrong one") {
  fails_with(trouble::refused_by_network{ECONNREFUSED, at("192.0.2.7:51820")});
  CHECK_THAT(says(),
             Contains("on the other side: beta: refused at 192.0.2.7:51820"));
  asks_other().node.listen_port = 51821;
  CHECK_THAT(says(), Contains("between the two: we send to port 51820, and "
                              "beta listens on 51821"));
}

TEST_CASE_METHOD(sound, "Explained: allowed IPs that lack an address") {
  asks_other().about->allowed_ips = {net("10.9.0.0/16")};
  CHECK_THAT(says(), Contains("on the other side: the allowed IPs of this node "
                              "at beta lack 10.0.0.1"));
  asks_other().node.addresses.push_back(net("10.7.0.1/24"));
  CHECK_THAT(says(), Contains("on this side: the allowed IPs of beta lack "
                              "10.7.0.1"));
  facts.other.reset();
  troubled(facts.peer.state,
           trouble::source_refused{parse_ip_address("10.7.0.1").value()});
  CHECK_THAT(says(), Contains("on this side: beta: packets from 10.7.0.1"));
  facts.peer.allowed_ips.clear();
  facts.peer.state.reason.clear();
  CHECK_THAT(says(), Contains("beta has no allowed IPs"));
}

TEST_CASE_METHOD(sound, "Explained: no route leads into the tunnel") {
  facts.host->to_allowed[1].second = {ENETUNREACH, "", 0};
  CHECK_THAT(says(), Contains("on this side: no route leads 10.1.0.0/16 into "
                              "weft0 (Network is unreachable): add it to "
                              "cluster_networks"));
  facts.host->to_allowed[1].second = {0, "eth0", 1500};
  CHECK_THAT(says(), Contains("(it goes to eth0)"));
}

TEST_CASE_METHOD(sound, "Explained: what somebody has taken away") {
  facts.host->to_allowed[1].second = {0, "eth0", 1500};
  facts.node.host = {{"address", "10.0.0.1/24", true, ""},
                     {"route", "10.1.0.0/16", false, ""}};
  CHECK_THAT(says(), Contains("on this side: the route 10.1.0.0/16 is missing: "
                              "weft reload puts it back"));
  facts.node.host = {{"mtu", "1420", false, "1300"}};
  facts.host->to_allowed[1].second = {0, "weft0", 1420};
  CHECK_THAT(says(), Contains("the MTU is 1300 instead of 1420"));
  facts.node.link_up = false;
  CHECK(judge(facts).empty());
}

TEST_CASE_METHOD(sound, "Explained: an MTU that the way below does not carry") {
  facts.host->to_endpoint = route_facts{0, "ppp0", 1480};
  const auto found = judge(facts);
  REQUIRE(found.size() == 1);
  CHECK(is_well(found));
  CHECK_THAT(found[0].text,
             Contains("ppp0 (1480)") && Contains("set mtu to 1400"));
}

TEST_CASE_METHOD(sound, "Explained: a way that large packets do not pass") {
  const auto from = net("10.0.0.2/32").address;
  facts.host->echo = echo_facts{from, true, 1420};
  CHECK(judge(facts).empty());
  facts.host->echo->largest = 1340;
  CHECK_THAT(says(), Contains("between the two: packets of 1420 bytes do not "
                              "come back from 10.0.0.2")
                       && Contains("set mtu to 1340 on both sides"));
  facts.host->echo->largest = 100;
  CHECK_THAT(says(), Contains("set mtu to 1280 on both sides"));
  facts.host->echo = echo_facts{from, false, 0};
  const auto found = judge(facts);
  REQUIRE(found.size() == 1);
  CHECK(is_well(found)); // its firewall may want it so
  CHECK_THAT(found[0].text, Contains("10.0.0.2 in the tunnel answers no echo "
                                     "request"));
}

TEST_CASE("Who is asked for an echo has an address of his own in the tunnel") {
  peer_status peer;
  peer.allowed_ips = {net("10.1.0.0/16"), net("10.0.0.2/32")};
  CHECK(address_of(peer, {}) == net("10.0.0.2/32").address);
  CHECK(address_of(peer, {net("10.9.0.1/24"), net("10.1.0.7/24")})
        == net("10.1.0.7/32").address);
  peer.allowed_ips.pop_back();
  CHECK_FALSE(address_of(peer, {}));
}

TEST_CASE("A packet that is lost once is no fault of its size") {
  const auto to = net("10.0.0.2/32").address;
  std::vector<std::size_t> sent;
  std::size_t lost = 0; // of each size
  std::size_t most = 1420;
  const auto send = [&](const ip_address&, std::size_t size,
                        std::chrono::milliseconds) -> result<bool> {
    sent.push_back(size);
    const auto tries
      = static_cast<std::size_t>(std::count(sent.begin(), sent.end(), size));
    return size <= most && tries > lost;
  };
  CHECK(try_echo(to, 1420, send)->largest == 1420);
  CHECK(sent == std::vector<std::size_t>{100, 1420});
  sent.clear();
  lost = 2;
  CHECK(try_echo(to, 1420, send)->largest == 1420);
  sent.clear();
  most = 1380;
  CHECK(try_echo(to, 1420, send)->largest == 1380);
  CHECK(std::count(sent.begin(), sent.end(), 1420U) == 3);
  sent.clear();
  lost = 3;
  CHECK_FALSE(try_echo(to, 1420, send)->answers);
}

TEST_CASE("A default route into the tunnel is missed only by a node that has "
          "one") {
  device_status node;
  node.interface = "lo"; // is everywhere
  peer_status peer;
  peer.allowed_ips = {net("0.0.0.0/0"), net("::/0"), net("127.0.0.0/8")};
  const auto prefixes = [&] {
    const auto facts = look_at_host(node, peer);
    REQUIRE(facts);
    std::vector<ip_prefix> all;
    for (const auto& [prefix, route] : facts->to_allowed)
      all.push_back(prefix);
    return all;
  };
  CHECK(prefixes() == std::vector{net("127.0.0.0/8")});
  node.routes = {net("10.0.0.0/8"), net("::/0")};
  CHECK(prefixes() == std::vector{net("::/0"), net("127.0.0.0/8")});
}

TEST_CASE_METHOD(sound, "Explained: two machines with one key") {
  troubled(facts.peer.state,
           trouble::key_shared{at("192.0.2.7:51820"), at("192.0.2.8:51820")});
  CHECK_THAT(says(), Contains("on the other side: beta: two machines use its "
                              "key"));
}

TEST_CASE_METHOD(sound, "Explained: an IPv6 endpoint without IPv6") {
  facts.peer.endpoint = at("[2001:db8::7]:51820");
  fails_with(trouble::not_sent{ENETUNREACH, *facts.peer.endpoint});
  CHECK_THAT(says(), Contains("on this side: beta: cannot send to "
                              "[2001:db8::7]:51820")
                       && Contains("no IPv6 here"));
  facts.host->to_endpoint = route_facts{ENETUNREACH, "", 0};
  CHECK_THAT(says(), Contains("this host has no route to 2001:db8::7"));
}

TEST_CASE_METHOD(sound, "Explained: a name that is not found") {
  facts.peer.endpoint.reset();
  facts.host->to_endpoint.reset();
  facts.tried = facts.answered = false;
  facts.peer.state = {peer_word::waiting,
                      "not resolved: no such host, next try in 8 s",
                      {},
                      0,
                      std::string{cause::not_resolved}};
  CHECK_THAT(says(),
             Contains("on this side: beta: not resolved: no such host"));
  facts.peer.state.reason.clear();
  CHECK_THAT(says(), Contains("nobody knows where beta is"));
}

TEST_CASE_METHOD(sound, "Explained: one tunnel address on both sides") {
  asks_other().node.addresses = {net("10.0.0.1/24")};
  CHECK_THAT(says(), Contains("on both sides: 10.0.0.1 is the address of both "
                              "weft0 and beta"));
  facts.other.reset();
  CHECK(judge(facts).empty());
  facts.peer.allowed_ips.push_back(net("10.0.0.1/32"));
  CHECK_THAT(says(), Contains("on both sides: 10.0.0.1"));
  facts.peer.allowed_ips.pop_back();
  facts.peer.state.reason = same_address_text(net("10.0.0.1/32").address);
  facts.peer.state.cause = cause::same_address;
  CHECK_THAT(says(), Contains("on both sides: beta: packets from 10.0.0.1 in "
                              "its tunnel are refused: this host has that "
                              "address as well"));
}

TEST_CASE_METHOD(sound, "Explained: a clock that was set back") {
  facts.peer.last_handshake = facts.now + 2h;
  const auto found = judge(facts);
  REQUIRE(found.size() == 1);
  CHECK(is_well(found));
  CHECK_THAT(found[0].text,
             Contains("the clock is 2h behind the last handshake"));
  troubled(asks_other().about->state,
           trouble::clock_behind{at("192.0.2.1:51820"), 7200s});
  CHECK_THAT(says(), Contains("on this side: beta says of this node: ")
                       && Contains("7200 s older"));
}

// -- the rest ----------------------------------------------------------------

TEST_CASE_METHOD(sound, "A peer that no longer answers is not well, though its "
                        "session is young") {
  facts.answered = false;
  CHECK_THAT(says(), Contains("between the two: no answer from "
                              "192.0.2.7:51820 within"));
}

TEST_CASE_METHOD(sound, "What keeps the node from sending comes first") {
  fails_with(trouble::no_answer{at("192.0.2.7:51820"), 3});
  facts.host->to_endpoint = route_facts{0, "weft0", 1420};
  CHECK_THAT(says(), Contains("leads into the tunnel itself (weft0)"));
  facts.host->link_up = false;
  CHECK_THAT(says(), Contains("the link weft0 is down"));
  facts.node.public_key = {};
  CHECK_THAT(says(), Contains("the node has no private key"));
}

TEST_CASE("Each reason of a peer has its side") {
  const auto where = at("192.0.2.7:51820");
  const auto of
    = [](const peer_trouble& what) { return side_of(cause_of(what)); };
  CHECK(of(trouble::no_answer{where, 3}) == side::between);
  CHECK(of(trouble::no_handshake{}) == side::between);
  CHECK(of(trouble::no_endpoint{}) == side::between);
  CHECK(of(trouble::refused_by_network{ECONNREFUSED, where}) == side::there);
  CHECK(of(trouble::refused_by_network{EHOSTUNREACH, where}) == side::between);
  CHECK(of(trouble::not_sent{EPERM, where}) == side::here);
  CHECK(of(trouble::answer_not_opened{where}) == side::both);
  CHECK(of(trouble::answers_unused{where, 3}) == side::both);
  CHECK(of(trouble::clock_behind{where, 60s}) == side::there);
  CHECK(of(trouble::wrong_key_used{where}) == side::there);
  CHECK(of(trouble::key_shared{where, where}) == side::there);
  CHECK(of(trouble::source_refused{where.address}) == side::here);
  CHECK(side_of(cause::same_address) == side::both);
  CHECK(side_of(cause::not_resolved) == side::here);
  CHECK(side_of(cause::own_tunnel) == side::here);
}

TEST_CASE("Rules of nftables are found that refuse a port at the host's own "
          "hooks") {
  const auto rule = [](const std::string& chain, const std::string& field,
                       const std::string& value, const std::string& verdict) {
    return R"({"rule": {"family": "inet", "table": "t", "chain": ")" + chain
           + R"(", "expr": [{"match": {"op": "==", "left": {"payload":
             {"protocol": "udp", "field": ")"
           + field + R"("}}, "right": )" + value + R"(}}, {")" + verdict
           + R"(": null}]}})";
  };
  const auto facts_of = [](const std::string& rules) {
    return read_nftables(
      R"({"nftables": [
        {"chain": {"family": "inet", "table": "t", "name": "in",
                   "type": "filter", "hook": "input"}},
        {"chain": {"family": "inet", "table": "t", "name": "out",
                   "type": "filter", "hook": "output"}},
        {"chain": {"family": "inet", "table": "t", "name": "own"}}, )"
        + rules + "]}",
      {51820, 51999});
  };
  const auto count = [&](const std::string& rules) {
    const auto facts = facts_of(rules);
    CHECK(facts.readable);
    return facts.refusals.size();
  };
  CHECK_THAT(facts_of(rule("out", "dport", "51999", "drop")).refusals.at(0),
             Contains("chain inet t out refuses UDP to port 51999"));
  CHECK_THAT(facts_of(rule("in", "dport", "51820", "reject")).refusals.at(0),
             Contains("chain inet t in refuses UDP at port 51820"));
  CHECK(count(rule("out", "dport", R"({"set": [1, 51999]})", "drop")) == 1);
  CHECK(count(rule("out", "dport", R"({"range": [51000, 52000]})", "drop"))
        == 1);
  CHECK(count(rule("out", "dport", R"({"range": [1, 1023]})", "drop")) == 0);
  CHECK(count(rule("out", "dport", "51820", "drop")) == 0);
  CHECK(count(rule("out", "dport", "51999", "accept")) == 0);
  CHECK(count(rule("own", "dport", "51999", "drop")) == 0);
  // Neither what has other conditions, nor what ends a list of exceptions.
  const auto drop = [&](const std::string& before, const std::string& behind) {
    return R"({"rule": {"family": "inet", "table": "t", "chain": "in", "expr":
             [)"
           + before + R"({"match": {"op": "==", "left": {"payload":
             {"protocol": "udp", "field": "dport"}}, "right": 51820}}, )"
           + behind + R"({"drop": null}]}})";
  };
  CHECK(count(drop("", R"({"counter": {"packets": 1}}, {"log": null}, )"))
        == 1);
  CHECK(count(drop("", R"({"limit": {"rate": 100, "inv": true}}, )")) == 0);
  CHECK(count(drop(R"({"match": {"op": "==", "left": {"payload": {"protocol":
                   "ip", "field": "saddr"}}, "right": "192.0.2.1"}}, )",
                   ""))
        == 0);
  const auto dropped = rule("in", "dport", "51820", "drop");
  CHECK(count(rule("in", "dport", "51820", "accept") + ", " + dropped) == 0);
  CHECK(count(rule("in", "dport", "51820", "return") + ", " + dropped) == 0);
  CHECK(count(rule("in", "dport", "53", "accept") + ", " + dropped) == 1);
  CHECK(count(rule("out", "dport", "51820", "accept") + ", " + dropped) == 1);
  CHECK(count(dropped + ", " + rule("in", "dport", "51820", "accept")) == 1);
  CHECK(count(R"({"rule": {"family": "inet", "table": "t", "chain": "in",
                 "expr": [{"counter": null}, {"accept": null}]}}, )"
              + dropped)
        == 0);
  CHECK_FALSE(read_nftables("", {1, 2}).readable);
  CHECK_FALSE(read_nftables("[1]", {1, 2}).readable);
  CHECK_FALSE(read_nftables(R"({"nftables": [{"rule": 7}]})", {1, 2}).readable);
}

TEST_CASE_METHOD(sound, "What a router said of its way is a hint, with the MTU "
                        "that fits") {
  facts.peer.path_mtu = 1400;
  const auto found = judge(facts);
  REQUIRE(found.size() == 1);
  CHECK(found[0].hint);
  CHECK_THAT(found[0].text, Contains("carries 1400 bytes")
                              && Contains("set mtu to 1340 on both sides"));
  facts.peer.endpoint = at("[2001:db8::7]:51820");
  CHECK_THAT(judge(facts).at(0).text, Contains("set mtu to 1320"));
  facts.node.mtu = 1320;
  CHECK(judge(facts).empty());
}

TEST_CASE_METHOD(sound, "Wrong checksums are a hint, with the remedy at the "
                        "sender") {
  facts.node.bad_checksums = 3;
  const auto found = judge(facts);
  REQUIRE(found.size() == 1);
  CHECK(found[0].hint);
  CHECK_THAT(found[0].text, Contains("3 UDP datagrams")
                              && Contains("offloads.udp: off")
                              && !Contains(facts.peer.name));
  CHECK(found[0].where == side::between);
}

TEST_CASE_METHOD(sound, "The text ends with the sentence, and JSON has it") {
  fails_with(trouble::refused_by_network{ECONNREFUSED, at("192.0.2.7:51820")});
  const auto found = judge(facts);
  const auto text = format_explanation(facts, found);
  CHECK_THAT(text, Contains("state     failing: refused at"));
  CHECK_THAT(text, Contains("route     to 192.0.2.7 by eth0"));
  CHECK_THAT(text, Contains("other     was not asked"));
  CHECK_THAT(text, Catch::EndsWith("\n\n" + conclusion(facts, found) + "\n"));
  const auto json
    = nlohmann::json::parse(format_explanation_json(facts, found));
  CHECK(json["well"] == false);
  CHECK(json["state"] == "failing");
  CHECK(json["conclusion"] == conclusion(facts, found));
  REQUIRE(json["findings"].size() == 1);
  CHECK(json["findings"][0]["where"] == "there");
}

namespace {

struct explaining : example_node, console {
  explaining() {
    script->status = example_device();
    options.peer = "beta";
    options.patience = 0ms;
  }
  explain_options options;
};

} // namespace

TEST_CASE_METHOD(explaining, "explain begins a handshake, and says what comes "
                             "of it") {
  CHECK(explain_peer(options, link(), io()) == exit_failure);
  const auto begun = script->all<begin_handshake>();
  REQUIRE(begun.size() == 1);
  CHECK(begun[0].peer == example_key(0x22));
  CHECK_THAT(out.str(), Contains("between the two: beta: no answer."));
}

TEST_CASE_METHOD(explaining, "explain asks the node at the other end, if "
                             "somebody knows it") {
  options.other = [](const peer_status& peer) {
    CHECK(peer.name == "beta");
    device_status other;
    other.interface = "weft1";
    other.public_key = peer.public_key;
    return std::optional<outcome<device_status>>{other};
  };
  CHECK(explain_peer(options, link(), io()) == exit_failure);
  CHECK_THAT(out.str(), Contains("weft1 does not know this node")
                          && Contains("on the other side: beta does not know "
                                      "this node"));
  out.str("");
  options.other = [](const peer_status&) {
    return std::optional<outcome<device_status>>{
      tl::unexpected(failure{exit_unreachable, 0, "nobody is there"})};
  };
  CHECK(explain_peer(options, link(), io()) == exit_failure);
  CHECK_THAT(out.str(), Contains("cannot be asked: nobody is there"));
}

TEST_CASE_METHOD(explaining, "explain refuses a peer that there is not") {
  options.peer = "gamma";
  CHECK(explain_peer(options, link(), io()) == exit_no_peer);
  CHECK(script->all<begin_handshake>().empty());
}
