// What a node is told: the YAML file and its likes, validated.
#pragma once

#include "config/network_config.hpp"
#include "protocol/base/control_role.hpp"
#include "protocol/base/ip.hpp"
#include "protocol/base/keys.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace weft {

/// An endpoint whose host is still a name (or an IPv6 address whose zone is
/// one, `fe80::1%eth0`).
struct host_endpoint {
  std::string host;
  std::uint16_t port = 0;

  bool operator==(const host_endpoint&) const = default;
};

/// `192.0.2.1:51820`, `[2001:db8::1]:51820` or `beta.example.net:51820`
using endpoint_config = std::variant<endpoint, host_endpoint>;

/// As it is written in a configuration.
std::string to_string(const endpoint_config& where);

/// The address that is configured; nothing for a name, or if there is none.
std::optional<endpoint> numeric_of(const std::optional<endpoint_config>& where);

/// `HOST:PORT` if a name is configured, else empty.
std::string host_text(const std::optional<endpoint_config>& where);

/// What is wrong with a name for an interface: nothing if the kernel takes
/// it.  1-15 characters without spaces, '/', ':' and '%'.
std::optional<std::string> check_interface_name(std::string_view name);

/// Which routes lead into the tunnel.
enum class route_mode {
  manual,    ///< to the cluster networks
  automatic, ///< and to every allowed IP of a peer
};

/// What follows if ICMP says that a datagram of the tunnel was too big.
enum class df_mode {
  automatic, ///< it is counted; with IPv4 nothing else, since it may be forged
  off,       ///< the kernel does what it does for others
};

/// A thing that the program uses where it is sound, never, or wherever it can.
enum class offload_mode { automatic, off, on };

std::string_view to_string(route_mode mode);
std::string_view to_string(df_mode mode);
std::string_view to_string(offload_mode mode);

/// Of `mtu`: what the paths to the peers have room for.
inline constexpr std::uint32_t automatic_mtu = 0;

/// Of `cores`: as many as the host of the overlay says; where that is weftd,
/// all that it may use, but four at the most.
inline constexpr std::uint32_t automatic_cores = 0;
inline constexpr std::uint32_t most_cores = 16;

struct interface_config {
  std::string name = "weft0";
  weft::private_key private_key;
  endpoint listen{{ip_family::v6, {}}, 51820, 0}; ///< `[::]`: both families
  std::vector<ip_prefix> addresses;               ///< own, with host bits
  std::vector<ip_prefix> cluster_networks;        ///< routed into the tunnel
  std::uint32_t mtu = 1420;
  std::uint32_t fwmark = 0;
  std::string socket_folder = "/var/run/wireguard";
  route_mode routes = route_mode::manual;
  std::uint32_t table = 0;  ///< of the routes; 0: chosen where one is needed
  std::uint32_t metric = 0; ///< of the routes; 0: the kernel's own
  std::vector<std::string> dns; ///< servers, and domains to be looked up there
  bool kill_switch = false;     ///< nothing leaves but through the tunnel
  std::vector<ip_prefix> kill_switch_allow; ///< but to these
  bool keep_inbound = true; ///< connections from outside answer on their link
  std::vector<std::string> on_up;   ///< commands
  std::vector<std::string> on_down; ///< commands
  df_mode df = df_mode::automatic;
  std::uint32_t cores = automatic_cores; ///< that packets may keep busy

  bool operator==(const interface_config&) const = default;
};

struct peer_config {
  std::string name; ///< for people; may be empty
  weft::public_key public_key;
  weft::preshared_key preshared_key; ///< all zero: none
  std::optional<endpoint_config> endpoint;
  std::vector<ip_prefix> allowed_ips;           ///< host bits cleared
  std::chrono::seconds persistent_keepalive{0}; ///< 0: off; at most 65535
  bool default_route = false; ///< the whole host's traffic goes to it

  bool operator==(const peer_config&) const = default;
};

enum class log_level { trace, debug, info, warn, error, off };
enum class log_format { text, json };

std::string_view to_string(log_level level);
std::string_view to_string(log_format format);

struct log_config {
  log_level level = log_level::info;
  log_format format = log_format::text;

  bool operator==(const log_config&) const = default;
};

/// Who may steer the node from outside of its process, and how.
struct control_config {
  std::string socket_folder = "/run/weft"; ///< of NAME.sock
  std::string group; ///< of users who may use it; empty: root alone
  std::optional<endpoint> listen; ///< for TLS; nothing: no network listener
  std::string certificate;        ///< PEM files, as all that follow
  std::string key;
  std::string ca;          ///< whose certificates are let in
  std::string revocations; ///< empty: none
  /// What a certificate's name may do, to operate or to view, whatever the
  /// certificate itself says.
  std::map<std::string, control_role> roles;

  bool operator==(const control_config&) const = default;
};

/// Where the node's metrics are read; nowhere, if neither is given.
struct metrics_config {
  std::optional<endpoint> listen; ///< for HTTP over TCP
  std::string socket;             ///< file of a Unix socket; empty: none
  bool peers = true;              ///< those of each peer as well

  bool operator==(const metrics_config&) const = default;
};

/// What the kernel does for many packets at once.
struct offload_config {
  offload_mode tun = offload_mode::automatic;   ///< of the TUN device
  offload_mode udp = offload_mode::automatic;   ///< of the sockets: GSO, GRO
  offload_mode uring = offload_mode::automatic; ///< small packets in groups

  bool operator==(const offload_config&) const = default;
};

/// A key of them.
struct offload_key {
  std::string_view name;
  offload_mode offload_config::*mode;
  bool is_doubtful; ///< `on` has a meaning of its own
};

inline constexpr std::array<offload_key, 3> all_offloads{{
  {"tun", &offload_config::tun, false},
  {"udp", &offload_config::udp, true},
  {"uring", &offload_config::uring, false},
}};

/// When the file is read again.
enum class reload_mode { manual, watch };

std::string_view to_string(reload_mode mode);

struct node_config {
  interface_config interface;
  std::vector<peer_config> peers;
  log_config log;
  control_config control;
  reload_mode reload = reload_mode::manual;
  metrics_config metrics;
  offload_config offloads;
  network_config network;
  directory_config directory;

  bool operator==(const node_config&) const = default;
};

} // namespace weft
