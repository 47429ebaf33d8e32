#include "actors/host/lock.hpp"

#include "tests/catch.hpp"

using namespace weft;

namespace {

lock_rules full_rules() {
  lock_rules rules;
  rules.interface = "weft0";
  rules.tunnel = {0x5, 51820};
  rules.allow
    = {*parse_ip_prefix("192.168.7.9/16"), *parse_ip_prefix("fd00::/8")};
  rules.dns = {*parse_ip_address("10.9.0.53"), *parse_ip_address("fd09::53")};
  return rules;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// What stands between `chain NAME {` and its end.
std::string chain(const std::string& text, const std::string& name) {
  const auto begin = text.find("chain " + name + " {");
  REQUIRE(begin != std::string::npos);
  return text.substr(begin, text.find("\n\t}", begin) - begin);
}

lock_rules marked(bool keep_inbound) {
  auto rules = full_rules();
  rules.tunnel = {0x5, 51820};
  rules.keep_inbound = keep_inbound;
  return rules;
}

} // namespace

TEST_CASE("a lock takes the place of the one before in one transaction") {
  const auto text = lock_text(full_rules());
  CHECK(text.starts_with("add table inet weft_lock_weft0\n"
                         "delete table inet weft_lock_weft0\n"
                         "table inet weft_lock_weft0 {\n"));
  CHECK(has(text, "lifted by: weft unlock weft0"));
}

TEST_CASE("a lock refuses what is sent and what is forwarded, and looks again "
          "at the way out") {
  const auto text = lock_text(full_rules());
  for (const auto* hook : {"output", "forward"}) {
    const auto rules = chain(text, hook);
    CHECK(has(rules, "policy drop"));
    CHECK(has(rules, "reject with icmpx type admin-prohibited"));
  }
  CHECK(has(chain(text, "postrouting"), "policy drop"));
  CHECK_FALSE(has(chain(text, "output"), "iifname"));
  CHECK_FALSE(has(text, "established"));
}

TEST_CASE("the tunnel's own packets are known by mark and port") {
  auto rules = full_rules();
  CHECK(has(lock_text(rules), "meta mark 0x5 udp sport 51820 accept"));
  CHECK(has(lock_text(rules),
            "meta mark 0x5 meta l4proto { tcp, udp } th dport 53 accept"));
  rules.tunnel.mark = 0;
  CHECK(has(lock_text(rules), "\t\tudp sport 51820 accept"));
  CHECK_FALSE(has(lock_text(rules), "meta mark"));
  rules.tunnel = {};
  CHECK_FALSE(has(lock_text(rules), "udp sport 51820"));
}

TEST_CASE("names are asked of the named servers alone, through the tunnel") {
  auto rules = full_rules();
  const auto allowed = chain(lock_text(rules), "allowed");
  const auto refused = allowed.find("th dport { 53, 853 } return");
  REQUIRE(refused != std::string::npos);
  CHECK(allowed.find("oifname \"weft0\" ip daddr 10.9.0.53 accept") < refused);
  CHECK(allowed.find("oifname \"weft0\" ip6 daddr fd09::53 accept") < refused);
  CHECK(allowed.find("oifname \"weft0\" accept") > refused);
  CHECK(allowed.find("ip daddr 192.168.0.0/16 accept") > refused);
  rules.dns.clear();
  CHECK_FALSE(has(lock_text(rules), "853"));
}

TEST_CASE("what is allowed beside the tunnel is answered, but sends nothing "
          "elsewhere") {
  const auto allowed = chain(lock_text(full_rules()), "allowed");
  CHECK(has(allowed, "\t\tip daddr 192.168.0.0/16 accept"));
  CHECK(has(allowed, "\t\tip6 daddr fd00::/8 accept"));
  CHECK(has(allowed,
            "ct direction reply ct original ip daddr 192.168.0.0/16 accept"));
  CHECK_FALSE(has(allowed, "saddr"));
}

TEST_CASE("without keep_inbound, nothing is let out for whoever comes in") {
  auto rules = full_rules();
  CHECK(has(lock_text(rules), "ct mark set ct mark | 0x40"));
  CHECK(
    has(lock_text(rules), "ct direction reply ct mark & 0x40 == 0x40 accept"));
  rules.keep_inbound = false;
  CHECK_FALSE(has(lock_text(rules), "ct mark"));
}

TEST_CASE("a network is not there without DHCP and neighbours") {
  const auto needs = chain(lock_text(full_rules()), "link_needs");
  for (const auto* rule :
       {"udp sport 68 udp dport 67", "udp sport 546 udp dport 547",
        "nd-neighbor-solicit", "nd-router-solicit"})
    CHECK(has(needs, rule));
}

TEST_CASE("connections from outside get the tunnel's mark, and its own packets "
          "no mark of a connection") {
  const auto text = marks_text(marked(true));
  CHECK(text.starts_with("add table inet weft_marks_weft0\n"));
  const auto outside = chain(text, "outside");
  CHECK(has(outside, "iifname { \"lo\", \"weft0\" } return"));
  CHECK(outside.find("udp dport 51820 fib daddr type local meta mark set 0x5 "
                     "return")
        < outside.find("ct mark set"));
  CHECK(has(chain(text, "answers"),
            "ct direction reply ct mark & 0x40 == 0x40 meta mark set 0x5"));
}

TEST_CASE("answers to the tunnel's own packets get its mark, and to its "
          "questions for addresses") {
  const auto text = marks_text(marked(false));
  CHECK(text.find("0x40") == text.npos);
  CHECK(has(chain(text, "outside"),
            "udp dport 51820 fib daddr type local meta mark set 0x5 return"));
  CHECK(has(chain(text, "outside"), "ct direction reply ct mark & 0x20 == 0x20 "
                                    "meta mark set 0x5 return"));
  CHECK(has(chain(text, "answers"), "meta mark 0x5 meta l4proto { tcp, udp } "
                                    "th dport 53 ct mark set ct mark | 0x20"));
}

TEST_CASE("a configuration says what its lock lets through") {
  interface_config config;
  config.name = "weft7";
  config.kill_switch_allow = {*parse_ip_prefix("10.0.0.0/8")};
  config.dns = {"10.9.0.53", "example.net"};
  config.keep_inbound = false;
  const auto rules = lock_of(config, {7, 4});
  CHECK(rules.interface == "weft7");
  CHECK(rules.allow == config.kill_switch_allow);
  CHECK(rules.dns == std::vector{*parse_ip_address("10.9.0.53")});
  CHECK_FALSE(rules.keep_inbound);
  CHECK(rules.tunnel.mark == 7);
  CHECK(locked_interface(lock_table("weft7")) == "weft7");
  CHECK(locked_interface("weft_marks_weft7").empty());
}
