#include "actors/host/lock.hpp"

#include "platform/local_ports.hpp"
#include "platform/routing.hpp"
#include "protocol/base/ip.hpp"

namespace weft {

namespace {

constexpr std::string_view lock_prefix = "weft_lock_";
constexpr std::string_view marks_prefix = "weft_marks_";

/// At the end of the comment on a lock.
constexpr std::string_view trial_note = "; on trial";

/// Of a connection's mark: it was begun from outside.  Other programs use the
/// upper bits.
constexpr std::string_view is_inbound = "ct mark & 0x40 == 0x40";
constexpr std::string_view set_inbound = "ct mark set ct mark | 0x40";
/// The same: it asks for the address of an endpoint, beside the tunnel.
constexpr std::string_view is_question = "ct mark & 0x20 == 0x20";
constexpr std::string_view set_question = "ct mark set ct mark | 0x20";
/// To name servers.
constexpr std::string_view to_name_server
  = "meta l4proto { tcp, udp } th dport 53";

std::string in_quotes(std::string_view name) {
  return '"' + std::string{name} + '"';
}

/// Puts a table together, a rule a line.
class table_text {
public:
  explicit table_text(const std::string& name)
    : text_("add table inet " + name + "\ndelete table inet " + name
            + "\ntable inet " + name + " {\n") {
  }

  void say(std::string_view line) {
    text_ += "\t" + std::string{line} + '\n';
  }
  void begin_chain(std::string_view name, std::string_view hook = {}) {
    say("chain " + std::string{name} + " {");
    if (!hook.empty())
      rule("type " + std::string{hook});
  }
  void rule(std::string_view what) {
    text_ += "\t\t" + std::string{what} + '\n';
  }
  void end_chain() {
    say("}");
  }
  std::string take() {
    return std::move(text_) + "}\n";
  }

private:
  std::string text_;
};

std::string match_family(const ip_address& address) {
  return address.is_v4() ? "ip" : "ip6";
}

/// Marks the connections that were begun from outside, for this host or what it
/// publishes.  Where the beginning was not seen (it was there before), the one
/// whose port here is none of an outgoing connection was begun outside: an
/// answer to an outgoing one must not open the way for it.
void add_inbound_marks(table_text& table, std::uint16_t first_own_port) {
  const auto begins = [&](std::string_view how) {
    table.rule("ct direction original ct state new fib daddr type local "
               + std::string{how} + ' ' + std::string{set_inbound});
  };
  begins("tcp flags & (fin | syn | rst | ack) == syn");
  begins("meta l4proto { tcp, udp } th dport < "
         + std::to_string(first_own_port));
  begins("icmp type echo-request");
  begins("icmpv6 type echo-request");
}

/// Before the destination is translated, and after the connection is known.
constexpr std::string_view in_prerouting
  = "filter hook prerouting priority -140; policy accept;";

/// `udp sport 51820` of the tunnel's own packets
std::string own_packets(const tunnel_marks& tunnel) {
  const auto port = "udp sport " + std::to_string(tunnel.port);
  return tunnel.mark == 0
           ? port
           : "meta mark " + to_hexadecimal(tunnel.mark) + ' ' + port;
}

/// What may leave by whichever interface it is about to.  DNS is looked at
/// before the tunnel is, as it may not be asked elsewhere there, either.
void add_allowed(table_text& table, const lock_rules& rules) {
  table.begin_chain("allowed");
  table.rule("oifname \"lo\" accept");
  if (rules.tunnel.port != 0) {
    table.rule(own_packets(rules.tunnel) + " accept");
    if (rules.tunnel.mark != 0) // asks for the addresses of endpoints
      table.rule("meta mark " + to_hexadecimal(rules.tunnel.mark) + ' '
                 + std::string{to_name_server} + " accept");
  }
  if (rules.keep_inbound) {
    table.rule("ct direction reply " + std::string{is_inbound} + " accept");
    // To what this host publishes: it was let in to the host itself.
    table.rule("iifname != \"lo\" ct status dnat " + std::string{is_inbound}
               + " accept");
  }
  const auto into_tunnel = "oifname " + in_quotes(rules.interface);
  for (const auto& server : rules.dns)
    table.rule(into_tunnel + ' ' + match_family(server) + " daddr "
               + to_string(server) + " accept");
  if (!rules.dns.empty())
    table.rule("meta l4proto { tcp, udp } th dport { 53, 853 } return");
  table.rule(into_tunnel + " accept");
  for (const auto& prefix : rules.allow) {
    const auto to = match_family(prefix.address) + " daddr "
                    + to_string(prefix.network()) + " accept";
    table.rule(to);
    table.rule("ct direction reply ct original " + to);
  }
  table.end_chain();
}

/// DHCP, DHCPv6, and what IPv6 needs on a link (RFC 4861, RFC 3810), without
/// which there would be no network to carry the tunnel.
void add_link_needs(table_text& table) {
  table.begin_chain("link_needs");
  table.rule("udp sport 68 udp dport 67 accept");
  table.rule("udp sport 67 udp dport 68 accept");
  table.rule("udp sport 546 udp dport 547 accept");
  table.rule("icmpv6 type { nd-router-solicit, nd-router-advert, "
             "nd-neighbor-solicit, nd-neighbor-advert } accept");
  table.rule("icmpv6 type { mld-listener-report, mld-listener-done, "
             "mld2-listener-report } accept");
  table.end_chain();
}

/// `refusal` ends what nothing has let through.
void add_guard(table_text& table, const lock_rules& rules,
               std::string_view name, bool forwards, bool own,
               std::string_view refusal) {
  table.begin_chain(name, "filter hook " + std::string{name}
                            + " priority -10; policy drop;");
  if (forwards) // others' traffic, which the tunnel brought
    table.rule("iifname " + in_quotes(rules.interface) + " accept");
  if (own)
    table.rule("jump link_needs");
  table.rule("jump allowed");
  table.rule(refusal);
  table.end_chain();
}

} // namespace

lock_rules lock_of(const interface_config& config, tunnel_marks tunnel) {
  lock_rules rules;
  rules.first_own_port = first_local_port();
  rules.interface = config.name;
  rules.tunnel = tunnel;
  rules.keep_inbound = config.keep_inbound;
  rules.allow = config.kill_switch_allow;
  for (const auto& entry : config.dns)
    if (const auto server = parse_ip_address(entry)) // or it is a domain
      rules.dns.push_back(*server);
  return rules;
}

std::string lock_table(std::string_view interface) {
  return std::string{lock_prefix} + std::string{interface};
}

std::string marks_table(std::string_view interface) {
  return std::string{marks_prefix} + std::string{interface};
}

std::string_view locked_interface(std::string_view table) {
  return table.starts_with(lock_prefix) ? table.substr(lock_prefix.size())
                                        : std::string_view{};
}

std::string_view marked_interface(std::string_view table) {
  return table.starts_with(marks_prefix) ? table.substr(marks_prefix.size())
                                         : std::string_view{};
}

bool is_on_trial(std::string_view listed) {
  return listed.find(trial_note) != std::string_view::npos;
}

std::string lock_text(const lock_rules& rules) {
  table_text table{lock_table(rules.interface)};
  table.say("comment \"nothing leaves but through "
            + rules.interface + "; lifted by: weft unlock "
            + rules.interface + (rules.on_trial ? std::string{trial_note} : "")
            + '"');
  if (rules.keep_inbound) {
    table.begin_chain("outside", in_prerouting);
    table.rule("iifname { \"lo\", " + in_quotes(rules.interface) + " } return");
    add_inbound_marks(table, rules.first_own_port);
    table.end_chain();
  }
  add_allowed(table, rules);
  add_link_needs(table);
  // What is refused here is told so at once.
  constexpr std::string_view reject = "reject with icmpx type admin-prohibited";
  add_guard(table, rules, "output", false, true, reject);
  add_guard(table, rules, "forward", true, false, reject);
  // The way out that counts: what was marked or translated meanwhile may leave
  // by another interface than the hooks above were told.
  add_guard(table, rules, "postrouting", true, true, "drop");
  return table.take();
}

std::string marks_text(const lock_rules& rules) {
  table_text table{marks_table(rules.interface)};
  const auto mark = to_hexadecimal(rules.tunnel.mark);
  const auto is_marked = "meta mark " + mark;
  const auto set_mark = "meta mark set " + mark;
  table.begin_chain("outside", in_prerouting);
  table.rule("iifname { \"lo\", " + in_quotes(rules.interface) + " } return");
  table.rule("udp dport " + std::to_string(rules.tunnel.port)
             + " fib daddr type local " + set_mark + " return");
  table.rule("ct direction reply " + std::string{is_question} + ' ' + set_mark
             + " return");
  if (rules.keep_inbound) {
    add_inbound_marks(table, rules.first_own_port);
    table.rule(std::string{is_inbound} + ' ' + set_mark);
  }
  table.end_chain();
  table.begin_chain("answers",
                    "route hook output priority -140; policy accept;");
  table.rule(is_marked + ' ' + std::string{to_name_server} + ' '
             + std::string{set_question});
  if (rules.keep_inbound)
    table.rule("ct direction reply " + std::string{is_inbound} + ' '
               + set_mark);
  table.end_chain();
  return table.take();
}

} // namespace weft
