// Policy rules over rtnetlink.
#include "platform/linux/netlink.hpp"
#include "platform/network.hpp"

#include <linux/fib_rules.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace weft {

namespace {

constexpr std::array both_families{ip_family::v4, ip_family::v6};

netlink::request rule_request(std::uint16_t type, std::uint16_t flags,
                              const routing_rule& rule) {
  netlink::request change{type, flags};
  auto& header = change.payload<fib_rule_hdr>();
  header.family = netlink::system_family(rule.family);
  header.action = FR_ACT_TO_TBL;
  header.flags = rule.inverted ? FIB_RULE_INVERT : 0;
  auto* message = change.header();
  mnl_attr_put_u32(message, FRA_PRIORITY, rule.priority);
  mnl_attr_put_u32(message, FRA_TABLE, rule.table);
  mnl_attr_put_u8(message, FRA_PROTOCOL, rule.protocol);
  if (rule.fwmask != 0) {
    mnl_attr_put_u32(message, FRA_FWMARK, rule.fwmark);
    mnl_attr_put_u32(message, FRA_FWMASK, rule.fwmask);
  }
  if (rule.suppress_prefixlength)
    mnl_attr_put_u32(message, FRA_SUPPRESS_PREFIXLEN,
                     *rule.suppress_prefixlength);
  return change;
}

/// Takes over one attribute of a rule.
int read_attribute(const nlattr* attribute, void* data) {
  constexpr std::uint32_t suppresses_none = 0xffffffff;
  auto& rule = *static_cast<routing_rule*>(data);
  switch (mnl_attr_get_type(attribute)) {
    case FRA_PRIORITY:
      rule.priority = mnl_attr_get_u32(attribute);
      break;
    case FRA_TABLE:
      rule.table = mnl_attr_get_u32(attribute);
      break;
    case FRA_PROTOCOL:
      rule.protocol = mnl_attr_get_u8(attribute);
      break;
    case FRA_FWMARK:
      rule.fwmark = mnl_attr_get_u32(attribute);
      break;
    case FRA_FWMASK:
      rule.fwmask = mnl_attr_get_u32(attribute);
      break;
    case FRA_SUPPRESS_PREFIXLEN:
      if (const auto length = mnl_attr_get_u32(attribute);
          length != suppresses_none)
        rule.suppress_prefixlength = length;
      break;
    case FRA_PAD:
      break;
    default:
      rule.has_more = true;
  }
  return MNL_CB_OK;
}

routing_rule parse_rule(const nlmsghdr& message) {
  const auto* header
    = static_cast<const fib_rule_hdr*>(mnl_nlmsg_get_payload(&message));
  routing_rule rule;
  rule.family = header->family == AF_INET ? ip_family::v4 : ip_family::v6;
  rule.table = header->table;
  rule.inverted = (header->flags & FIB_RULE_INVERT) != 0;
  rule.protocol = 0;
  rule.has_more = header->action != FR_ACT_TO_TBL || header->tos != 0;
  mnl_attr_parse(&message, sizeof(fib_rule_hdr), read_attribute, &rule);
  return rule;
}

} // namespace

result<std::vector<routing_rule>> network_configurator::rules() {
  std::vector<routing_rule> found;
  for (const auto family : both_families) {
    netlink::request query{RTM_GETRULE, NLM_F_DUMP};
    query.payload<fib_rule_hdr>().family = netlink::system_family(family);
    auto done = netlink::execute(
      fd_.get(), query, [] { return std::string{"Cannot list the rules"}; },
      [&](const nlmsghdr& message) {
        if (message.nlmsg_type == RTM_NEWRULE)
          found.push_back(parse_rule(message));
      });
    // A kernel may have no IPv6.
    if (!done && done.error().code != EAFNOSUPPORT
        && done.error().code != EOPNOTSUPP)
      return tl::unexpected(done.error());
  }
  return found;
}

result<bool> network_configurator::add_rule(const routing_rule& rule) {
  auto change = rule_request(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule);
  auto done = netlink::execute(fd_.get(), change, [&] {
    return "Cannot add the rule " + to_string(rule);
  });
  if (!done && done.error().code != EEXIST)
    return tl::unexpected(std::move(done.error()));
  return done.has_value();
}

result<void> network_configurator::remove_rule(const routing_rule& rule) {
  auto change = rule_request(RTM_DELRULE, 0, rule);
  auto done = netlink::execute(fd_.get(), change, [&] {
    return "Cannot remove the rule " + to_string(rule);
  });
  if (!done && done.error().code == ENOENT)
    return {};
  return done;
}

} // namespace weft
