// What a running device says of itself.  No secret is in it but those that
// only the UAPI socket shows to root.
#pragma once

#include "config/node_config.hpp"
#include "protocol/base/time.hpp"
#include "protocol/tunnel/drop_reason.hpp"
#include "protocol/tunnel/peer_health.hpp"

#include <array>

namespace weft {

/// A reason for dropping packets, and how often it applied.
struct drop_count {
  std::string reason;
  std::uint64_t packets = 0;
};

/// How a peer is, as protocol/tunnel/peer_health.hpp has it.
struct peer_state {
  peer_word word = peer_word::disabled;
  std::string reason; ///< a sentence without a full stop; empty: there is none
  wall_time since{};
  std::uint32_t tries = 0; ///< initiations in a row that nobody has answered
  /// What the reason is about, in a word that stays: `no_answer`; empty: there
  /// is no reason.  (The names of protocol/tunnel/peer_trouble.hpp.)
  std::string cause{};

  bool operator==(const peer_state&) const = default;
};

struct peer_status {
  std::string name;
  weft::public_key public_key;
  weft::preshared_key preshared_key; ///< filled for UAPI only
  peer_state state;
  std::optional<weft::endpoint> endpoint;
  std::string endpoint_host; ///< `HOST:PORT` as configured, if a name
  std::vector<ip_prefix> allowed_ips;
  std::chrono::seconds persistent_keepalive{0};
  std::optional<wall_time> last_handshake;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  std::uint64_t rx_packets = 0;
  std::uint64_t tx_packets = 0;
  std::uint64_t restarts = 0;
  std::optional<std::chrono::seconds> session_age; ///< of the one in use
  std::vector<drop_count> drops;                   ///< without zeros
  /// Microseconds, as of the last handshake or probe; 0: not known.
  std::uint32_t round_trip = 0;
  /// What the network carries to it in one datagram, UDP and IP included; 0:
  /// not known.
  std::uint32_t path_mtu = 0;
  std::uint64_t too_big = 0; ///< ICMP messages that said so
};

/// All reasons, or those that applied.
std::vector<drop_count> to_counts(const drop_counters& drops, bool all);

/// How often events of a kind happened.
struct event_count {
  std::string event;
  std::uint64_t count = 0;

  bool operator==(const event_count&) const = default;
};

/// A pool of batches, which bounds the packets that are under way.
struct pool_use {
  std::string pool;
  std::uint64_t size = 0;
  std::uint64_t used = 0;
  std::uint64_t exhausted = 0; ///< how often none was left, and reading paused

  bool operator==(const pool_use&) const = default;
};

/// A certificate that access over the network depends on.
struct certificate_status {
  std::string file; ///< its key in the section `control`
  std::string name;
  wall_time not_after{};

  bool operator==(const certificate_status&) const = default;
};

/// Who steers the node from outside of its process, and how that is secured.
struct access_report {
  std::uint64_t operators = 0; ///< that are there
  std::uint64_t viewers = 0;   ///< that are there
  std::vector<certificate_status> certificates;
  /// Why files that were changed are not in force; empty: they are.
  std::string refused;

  bool operator==(const access_report&) const = default;
};

/// A thing of the host that is to be as configured.
struct host_item {
  std::string kind;     ///< `address`, `route`, `rule`, `mtu`, `lock`, `dns`
  std::string value;    ///< as it should be: `10.200.0.1/24`
  bool in_place = true; ///< it is so
  std::string found;    ///< what is there in its place; empty: nothing

  bool operator==(const host_item&) const = default;
};

/// Of one that is not in place: `the route 10.0.0.0/8 is missing`, `the MTU is
/// 1300 instead of 1420`
std::string host_trouble(const host_item& item);

/// A thing that the kernel may do for many packets at once.
struct offload_use {
  std::string name; ///< `tun`, `uring`, `udp send`, `udp receive`
  bool in_use = false;
  std::string reason; ///< why it is not; empty: it is, or was switched off

  bool operator==(const offload_use&) const = default;
};

/// The cores that packets may keep busy, and what became of full batches: they
/// alone are worth another core.
struct core_use {
  std::uint64_t in_use = 1; ///< one, and another for each thread that helps
  std::uint64_t failed = 0; ///< threads that helped, and failed
  bool is_shared = false;   ///< others than the first do some of it just now
  std::uint64_t handed_over = 0;   ///< batches that another core got
  std::uint64_t without_place = 0; ///< the others had enough to do
  std::uint64_t without_core = 0;  ///< no core was idle

  bool operator==(const core_use&) const = default;
};

/// How often something of the network was refused for a reason.
struct network_refusals {
  std::string reason; ///< `bad_signature` ...
  std::uint64_t count = 0;

  bool operator==(const network_refusals&) const = default;
};

/// The node as a member of a network.
struct network_status {
  std::string name;      ///< the network's
  std::string member;    ///< the node's own
  std::string directory; ///< that it is connected to; empty: to none
  std::string trouble;   ///< why to none, or what else is wrong; empty: nothing
  wall_time since{};     ///< it is connected, or is not
  std::uint64_t members = 0; ///< that are known, with itself
  std::uint64_t peers = 0;   ///< of them
  std::optional<wall_time> certificate_ends;
  std::optional<wall_time> list_issued; ///< the newest list of revocations
  bool clock_suspect = false;
  std::uint64_t epoch = 0; ///< of the preshared keys; 0: there are none
  std::vector<network_refusals> refused; ///< without zeros

  bool operator==(const network_status&) const = default;
};

struct device_status {
  std::string interface;
  std::string version;              ///< of the program
  wall_time started{};              ///< the overlay, not its sessions
  std::vector<ip_prefix> addresses; ///< as configured, with their host bits
  weft::private_key private_key;    ///< filled for UAPI only
  weft::public_key public_key;      ///< zero: no key is set
  endpoint listen;                  ///< as configured
  std::uint16_t listen_port = 0;
  std::uint32_t fwmark = 0;
  std::uint32_t mtu = 0;
  std::vector<peer_status> peers; ///< or some of them
  std::uint32_t next_peer = 0;    ///< where the others begin; 0: that was all
  std::vector<drop_count> drops;
  /// Control over the network: `open`, or `closed: ` and why;
  /// empty: none is configured.
  std::string remote_control;
  std::vector<ip_prefix> routes;   ///< into the tunnel, as configured
  bool link_up = true;             ///< the interface
  std::vector<event_count> events; ///< since the start, of all kinds
  std::uint64_t events_lost = 0;   ///< that subscribers were too slow for
  std::vector<pool_use> pools;
  std::uint64_t send_queue = 0; ///< batches that wait for room in a socket
  access_report access;
  std::vector<host_item> host;       ///< what the interface needs of it
  std::vector<offload_use> offloads; ///< all that there are
  /// What keeps traffic from leaving beside the tunnel, and how it is lifted;
  /// empty: nothing does.
  std::string lock;
  /// UDP datagrams whose checksum was wrong and that came to the host while the
  /// node's sockets lost some, since the start.
  std::uint64_t bad_checksums = 0;
  std::optional<network_status> network; ///< nothing: it is in none
  core_use cores;
};

} // namespace weft
