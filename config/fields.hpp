// The keys of a peer and of the interface, one row each.  Whoever reads,
// writes, checks, compares or sends them goes through the rows: YAML, wg-quick,
// wg's control protocol, the command line, control messages, and the reference
// in docs/.  A new key is a member of its struct, a row at the end (the order
// is that in which control messages carry them), and the code that uses it.
#pragma once

#include "config/node_config.hpp"
#include "config/values.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

/// A key of `Section`.  Lists have no reader of their own: each format parts
/// them in its own way.
template <class Section, class Value>
struct field {
  using value_type = Value;

  Value Section::*member = nullptr;
  std::string_view name{};     ///< in YAML, JSON, and what people are told
  std::string_view expected{}; ///< what a value is, for them: `a name`
  std::string_view unit{};     ///< behind a printed number: `s`

  value_or_message<Value> (*read)(std::string_view text) = nullptr;
  /// As `read` takes it, without the unit.  A secret's text is to be wiped.
  std::string (*print)(const Value& value) = nullptr;
  /// What is wrong with a value that `read` has not seen; null: nothing can be.
  std::optional<std::string> (*check)(const Value& value) = nullptr;

  /// What YAML calls a file that holds the value.  Only secrets have one: they
  /// are shown to nobody.
  std::string_view file_name{};
  bool is_folder = false;       ///< in YAML relative to the file's own folder
  bool keeps_host_bits = false; ///< of prefixes
  bool while_running = true;    ///< changed by a reload, without a restart

  // What others call it; empty: they do not know it.
  std::string_view wg_quick{};
  std::string_view uapi{};
  std::string_view option{}; ///< of `weft peer add` and `weft peer set`

  std::string_view option_help{};
  // For the reference, in Markdown: what it is, and what holds without it.
  std::string_view meaning{};
  std::string_view file_meaning{};
  std::string_view fallback = "none";
};

/// What readers and printers of the rows share.
namespace field_values {

std::string print(const std::string& text);
std::string print(const std::uint32_t& number);
std::string print(const std::chrono::seconds& interval); ///< without its unit
std::string print(const endpoint& where);
std::string print(const std::optional<endpoint_config>& where);
std::string print(const public_key& key);
/// Base64, to be wiped.
std::string print(const private_key& key);
std::string print(const preshared_key& key);
std::string print(const std::vector<ip_prefix>& prefixes); ///< with commas
std::string print(const std::vector<std::string>& texts);  ///< with commas
std::string print(const bool& answer);
std::string print(const route_mode& mode);
std::string print(const df_mode& mode);
std::string print_mtu(const std::uint32_t& mtu);
std::string print_table(const std::uint32_t& table);
std::string print_cores(const std::uint32_t& cores);

value_or_message<std::string> read_interface_name(std::string_view text);
value_or_message<std::optional<endpoint_config>>
read_peer_endpoint(std::string_view text);

std::optional<std::string> check_interface_name(const std::string& name);
std::optional<std::string> check_folder(const std::string& folder);
std::optional<std::string> check_mtu(const std::uint32_t& mtu);
std::optional<std::string> check_cores(const std::uint32_t& cores);
std::optional<std::string> check_prefixes(const std::vector<ip_prefix>& all);
std::optional<std::string> check_dns(const std::vector<std::string>& all);
std::optional<std::string> check_commands(const std::vector<std::string>& all);
std::optional<std::string> check_peer_name(const std::string& name);
std::optional<std::string> check_public_key(const public_key& key);
std::optional<std::string>
check_endpoint(const std::optional<endpoint_config>& where);
std::optional<std::string>
check_keepalive(const std::chrono::seconds& interval);

} // namespace field_values

inline constexpr std::tuple interface_fields{
  field<interface_config, std::string>{
    .member = &interface_config::name,
    .name = "name",
    .expected = "a name of 1-15 characters",
    .read = field_values::read_interface_name,
    .print = field_values::print,
    .check = field_values::check_interface_name,
    .while_running = false,
    .meaning = "Name of the network interface: 1-15 characters without "
               "spaces, `/`, `:` and `%`.",
    .fallback = "`weft0`",
  },
  field<interface_config, private_key>{
    .member = &interface_config::private_key,
    .name = "private_key",
    .expected = "44 characters of base64",
    .read = read_private_key,
    .print = field_values::print,
    .file_name = "private_key_file",
    .wg_quick = "PrivateKey",
    .uapi = "private_key",
    .meaning = "The key itself. Whoever reads the YAML file has the key then.",
    .file_meaning = "File that holds the private key: 44 characters of base64, "
                    "as `weft genkey` and `wg genkey` write it. Blanks and "
                    "line ends around it do not matter. It must be a regular "
                    "file that neither its group nor others may read, write "
                    "or execute.",
    .fallback = "-",
  },
  field<interface_config, endpoint>{
    .member = &interface_config::listen,
    .name = "listen",
    .expected = "ADDRESS:PORT",
    .read = read_listen,
    .print = field_values::print,
    .wg_quick = "ListenPort",
    .uapi = "listen_port",
    .meaning = "`ADDRESS:PORT`, `[IPV6-ADDRESS]:PORT`, or a port alone for all "
               "addresses. Port 0: the kernel chooses one. `[::]` takes IPv4 "
               "and IPv6, `0.0.0.0` takes IPv4.",
    .fallback = "`[::]:51820`",
  },
  field<interface_config, std::uint32_t>{
    .member = &interface_config::fwmark,
    .name = "fwmark",
    .expected = "a firewall mark",
    .read = read_fwmark,
    .print = field_values::print,
    .wg_quick = "FwMark",
    .uapi = "fwmark",
    .meaning = "Mark of the packets that the tunnel sends: "
               "`0x0`-`0xffffffff`, decimal, or `off`.",
    .fallback = "`0` (off)",
  },
  field<interface_config, std::vector<ip_prefix>>{
    .member = &interface_config::addresses,
    .name = "addresses",
    .expected = "an IP prefix",
    .print = field_values::print,
    .check = field_values::check_prefixes,
    .keeps_host_bits = true,
    .wg_quick = "Address",
    .meaning = "List of own addresses with the length of their network: "
               "`10.200.0.1/24`. Without a length it is the host alone.",
  },
  field<interface_config, std::vector<ip_prefix>>{
    .member = &interface_config::cluster_networks,
    .name = "cluster_networks",
    .expected = "an IP prefix",
    .print = field_values::print,
    .check = field_values::check_prefixes,
    .meaning = "List of networks that are routed into the tunnel. Host bits "
               "are cleared.",
  },
  field<interface_config, std::uint32_t>{
    .member = &interface_config::mtu,
    .name = "mtu",
    .expected = "576-65535 or auto",
    .read = read_mtu,
    .print = field_values::print_mtu,
    .check = field_values::check_mtu,
    .wg_quick = "MTU",
    .meaning = "576-65535, or `auto`: what the routes to the peers have room "
               "for, and it follows them. Below 1280 the kernel allows no IPv6 "
               "on the interface.",
    .fallback = "1420",
  },
  field<interface_config, std::string>{
    .member = &interface_config::socket_folder,
    .name = "socket_folder",
    .expected = "a folder",
    .print = field_values::print,
    .check = field_values::check_folder,
    .is_folder = true,
    .while_running = false,
    .meaning = "Folder for the control socket `NAME.sock` that `wg` uses. At "
               "most 86 bytes.",
    .fallback = "`/var/run/wireguard`",
  },
  field<interface_config, route_mode>{
    .member = &interface_config::routes,
    .name = "routes",
    .expected = "auto or manual",
    .read = read_route_mode,
    .print = field_values::print,
    .meaning = "`auto`: every allowed IP of a peer is routed into the tunnel, "
               "besides `cluster_networks`; one of length 0 as `default_route` "
               "has it. `manual`: `cluster_networks` alone.",
    .fallback = "`manual`",
  },
  field<interface_config, std::uint32_t>{
    .member = &interface_config::table,
    .name = "table",
    .expected = "a routing table",
    .read = read_table,
    .print = field_values::print_table,
    .meaning = "Number of the routing table that the routes go to: "
               "1-4294967295, `main`, or `auto`: the main one, and one of "
               "their own for those of a `default_route`.",
    .fallback = "`auto`",
  },
  field<interface_config, std::uint32_t>{
    .member = &interface_config::metric,
    .name = "metric",
    .expected = "a metric of routes",
    .read = read_metric,
    .print = field_values::print,
    .meaning = "Metric of the routes. 0: the kernel's own.",
    .fallback = "0",
  },
  field<interface_config, std::vector<std::string>>{
    .member = &interface_config::dns,
    .name = "dns",
    .expected = "an address or a domain",
    .print = field_values::print,
    .check = field_values::check_dns,
    .while_running = false,
    .meaning = "List of DNS servers that the host asks while the node runs, "
               "and of domains to search.",
  },
  field<interface_config, bool>{
    .member = &interface_config::kill_switch,
    .name = "kill_switch",
    .expected = "true or false",
    .read = read_switch,
    .print = field_values::print,
    .meaning = "`true`: nothing leaves the host but through the tunnel, "
               "whatever becomes of the node, until `weft unlock NAME`.",
    .fallback = "`false`",
  },
  field<interface_config, std::vector<ip_prefix>>{
    .member = &interface_config::kill_switch_allow,
    .name = "kill_switch_allow",
    .expected = "an IP prefix",
    .print = field_values::print,
    .check = field_values::check_prefixes,
    .meaning = "List of networks that may be reached beside the tunnel while "
               "`kill_switch` holds.",
  },
  field<interface_config, bool>{
    .member = &interface_config::keep_inbound,
    .name = "keep_inbound",
    .expected = "true or false",
    .read = read_switch,
    .print = field_values::print,
    .meaning = "`true`: connections that were begun from outside, but for UDP "
               "to high ports, are answered over the link that they came in "
               "by, also with a `default_route` or `kill_switch`.",
    .fallback = "`true`",
  },
  field<interface_config, std::vector<std::string>>{
    .member = &interface_config::on_up,
    .name = "on_up",
    .expected = "a command",
    .print = field_values::print,
    .check = field_values::check_commands,
    .while_running = false,
    .meaning = "List of commands to be run once the node works: an absolute "
               "path and arguments, without a shell.",
  },
  field<interface_config, std::vector<std::string>>{
    .member = &interface_config::on_down,
    .name = "on_down",
    .expected = "a command",
    .print = field_values::print,
    .check = field_values::check_commands,
    .while_running = false,
    .meaning = "List of commands to be run when the node has ended, however it "
               "did.",
  },
  field<interface_config, df_mode>{
    .member = &interface_config::df,
    .name = "df",
    .expected = "auto or off",
    .read = read_df_mode,
    .print = field_values::print,
    .meaning = "`auto`: where ICMP says that a datagram was too big, that is "
               "counted at its peer, and with IPv4 nothing follows from it; "
               "`off`: this host heeds it. Datagrams may be parted on their "
               "way in both cases.",
    .fallback = "`auto`",
  },
  field<interface_config, std::uint32_t>{
    .member = &interface_config::cores,
    .name = "cores",
    .expected = "1-16 or auto",
    .read = read_cores,
    .print = field_values::print_cores,
    .check = field_values::check_cores,
    .while_running = false,
    .meaning = "How many cores packets may keep busy: 1-16, or `auto`: as many "
               "as weftd may use by its affinity and its cgroup's quota, but 4 "
               "at the most. One reads, routes and sends; the others seal and "
               "open what comes in full batches, while they are idle "
               "otherwise. From four on one in four reads and writes the "
               "device while the first has all that it can do.",
    .fallback = "`auto`",
  },
};

inline constexpr std::tuple peer_fields{
  field<peer_config, std::string>{
    .member = &peer_config::name,
    .name = "name",
    .expected = "a name",
    .read = read_peer_name,
    .print = field_values::print,
    .check = field_values::check_peer_name,
    .option = "--name",
    .option_help = "What people call it",
    .meaning = "For people: up to 64 bytes of text. No two peers have the same "
               "name.",
  },
  field<peer_config, public_key>{
    .member = &peer_config::public_key,
    .name = "public_key",
    .expected = "a public key",
    .read = read_public_key,
    .print = field_values::print,
    .check = field_values::check_public_key,
    .wg_quick = "PublicKey",
    .uapi = "public_key",
    .meaning = "44 characters of base64. Required.",
    .fallback = "-",
  },
  field<peer_config, preshared_key>{
    .member = &peer_config::preshared_key,
    .name = "preshared_key",
    .expected = "44 characters of base64",
    .read = read_preshared_key,
    .print = field_values::print,
    .file_name = "preshared_key_file",
    .wg_quick = "PresharedKey",
    .uapi = "preshared_key",
    .option = "--preshared-key-file",
    .option_help = "File of the preshared key; none: no such key",
    .meaning = "The key itself. All zero means none.",
    .file_meaning = "Like `private_key_file`.",
  },
  field<peer_config, std::vector<ip_prefix>>{
    .member = &peer_config::allowed_ips,
    .name = "allowed_ips",
    .expected = "an IP prefix",
    .print = field_values::print,
    .check = field_values::check_prefixes,
    .wg_quick = "AllowedIPs",
    .uapi = "allowed_ip",
    .option = "--allowed-ip",
    .option_help = "Prefix to send to it, in the place of former ones; may be "
                   "repeated; none: no prefix",
    .meaning = "List of prefixes: packets to them go to this peer, and packets "
               "from them are accepted of this peer alone. Host bits are "
               "cleared, as `wg` does; without a length it is one host.",
  },
  field<peer_config, std::optional<endpoint_config>>{
    .member = &peer_config::endpoint,
    .name = "endpoint",
    .expected = "ADDRESS:PORT or HOST:PORT",
    .read = field_values::read_peer_endpoint,
    .print = field_values::print,
    .check = field_values::check_endpoint,
    .wg_quick = "Endpoint",
    .uapi = "endpoint",
    .option = "--endpoint",
    .option_help = "HOST:PORT that it is at; none: it must make the first step",
    .meaning = "`ADDRESS:PORT`, `[IPV6-ADDRESS]:PORT` or `HOST:PORT`, port "
               "1-65535. A link-local address needs its interface: "
               "`[fe80::1%eth0]:51820`. Without an endpoint the peer must make "
               "the first step.",
  },
  field<peer_config, std::chrono::seconds>{
    .member = &peer_config::persistent_keepalive,
    .name = "persistent_keepalive",
    .expected = "seconds",
    .unit = "s",
    .read = read_keepalive,
    .print = field_values::print,
    .check = field_values::check_keepalive,
    .wg_quick = "PersistentKeepalive",
    .uapi = "persistent_keepalive_interval",
    .option = "--keepalive",
    .option_help = "Interval of keepalive packets, such as 25s, or off",
    .meaning = "`25s`, `2m`, `1h`, a number of seconds, or `0`/`off`; at most "
               "65535 seconds.",
    .fallback = "off",
  },
  field<peer_config, bool>{
    .member = &peer_config::default_route,
    .name = "default_route",
    .expected = "true or false",
    .read = read_switch,
    .print = field_values::print,
    .option = "--default-route",
    .option_help = "true: the whole host's traffic goes to it; or false",
    .meaning = "`true`: the host's traffic goes to this peer, but for what has "
               "a route of its own; IPv4, IPv6 or both, as `allowed_ips` has "
               "`0.0.0.0/0` and `::/0`; both if it has neither.",
    .fallback = "`false`",
  },
};

/// The rows of a section.
template <class Section>
constexpr const auto& fields_of() {
  if constexpr (std::is_same_v<Section, interface_config>)
    return interface_fields;
  else
    return peer_fields;
}

template <class Section>
inline constexpr std::size_t field_count
  = std::tuple_size_v<std::remove_cvref_t<decltype(fields_of<Section>())>>;

/// Calls `each(row, std::integral_constant<std::size_t, NUMBER>{})`.
template <class Section, class Each>
constexpr void for_each_field(Each&& each) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (each(std::get<I>(fields_of<Section>()),
          std::integral_constant<std::size_t, I>{}),
     ...);
  }
  (std::make_index_sequence<field_count<Section>>{});
}

/// The number of a member's row.
template <class Section, class Value>
constexpr std::size_t number_of(Value Section::*member) {
  auto number = field_count<Section>;
  for_each_field<Section>([&](const auto& row, auto i) {
    if constexpr (std::is_same_v<decltype(row.member), Value Section::*>) {
      if (row.member == member)
        number = i;
    }
  });
  return number;
}

template <class Row>
using value_of = typename std::remove_cvref_t<Row>::value_type;

/// Whether a value is a secret of 32 bytes.
template <class Value>
inline constexpr bool is_secret_key
  = std::is_base_of_v<secret<key_size>, Value>;

using prefix_list = std::vector<ip_prefix>;
using text_list = std::vector<std::string>;

template <class Value>
inline constexpr bool is_list
  = std::is_same_v<Value, prefix_list> || std::is_same_v<Value, text_list>;

/// The row of a member.
template <auto Member>
constexpr const auto& row_of() {
  return []<class Section, class Value>(Value Section::*) -> const auto& {
    return std::get<number_of(Member)>(fields_of<Section>());
  }
  (Member);
}

} // namespace weft
