#include "actors/metrics/node_metrics.hpp"

#include "protocol/base/unix_time.hpp"
#include "protocol/tunnel/trouble_words.hpp"

#include <algorithm>
#include <array>

namespace weft {

namespace {

using enum metric_type;

constexpr std::array<metric_family, 37> table{{
  // The names and labels of prometheus_wireguard_exporter.
  {"wireguard_sent_bytes_total", counter, "Bytes sent to the peer."},
  {"wireguard_received_bytes_total", counter, "Bytes received from the peer."},
  {"wireguard_latest_handshake_seconds", gauge,
   "UNIX time of the last handshake with the peer; 0: there was none."},
  {"wireguard_latest_handshake_delay_seconds", gauge,
   "Seconds since the last handshake with the peer; absent: there was none."},
  {"weft_peer_state", gauge,
   "How the peer is: 5 up, 4 idle, 3 connecting, 2 waiting, 1 failing, 0 "
   "disabled."},
  {"weft_peer_dropped_packets_total", counter,
   "Packets to or from the peer that were dropped, for whatever reason."},
  {"weft_peer_restarts_total", counter,
   "How often the peer's actor failed and was started again."},
  {"weft_peer_round_trip_seconds", gauge,
   "Time from a handshake's first message to its answer, of the last handshake "
   "that this node began; absent: not known."},
  {"weft_peer_path_mtu_bytes", gauge,
   "What somebody on the way to the peer says that it carries; absent: nobody "
   "has said so within ten minutes."},
  {"weft_peer_too_big_total", counter,
   "ICMP messages that said that a datagram to the peer was too big; one a "
   "second is counted, and of the 512 endpoints that were known first."},
  {"weft_build_info", gauge, "Always 1; the version of the program."},
  {"weft_up", gauge,
   "Whether the node can speak to peers: 0 if it has no private key, or its "
   "link is down."},
  {"weft_start_time_seconds", gauge, "UNIX time when the node was started."},
  {"weft_peers", gauge, "Peers in each state."},
  {"weft_troubled_peers", gauge,
   "Peers in whose way something stands, by what that is."},
  {"weft_dropped_packets_total", counter,
   "Packets and messages that were dropped, by reason; those of removed peers "
   "included."},
  {"weft_handshakes_total", counter,
   "Handshakes with peers, by result; failed: nobody answered for 90 s."},
  {"weft_events_total", counter,
   "What happened, by the kind of event that subscribers are told."},
  {"weft_events_lost_total", counter,
   "Events that subscribers were too slow for."},
  {"weft_pool_batches", gauge,
   "Batches that a pool for packets has; more packets are not read."},
  {"weft_pool_used_batches", gauge, "Batches of the pool that are in use."},
  {"weft_pool_exhausted_total", counter,
   "How often the pool had none left, and reading paused."},
  {"weft_send_queue_batches", gauge,
   "Batches that wait for room in the buffer of a socket."},
  {"weft_offload_in_use", gauge,
   "Whether the kernel does this for many packets at once."},
  {"weft_cores", gauge,
   "Cores that packets may keep busy: one, and another for each thread that "
   "helps it."},
  {"weft_failed_threads_total", counter,
   "Threads that helped with packets, and failed."},
  {"weft_full_batches_total", counter,
   "Full batches, by what became of them: handed over to another core, or done "
   "by the first, without a place since the others had enough, or without a "
   "core since none was idle."},
  {"weft_bad_checksums_total", counter,
   "UDP datagrams that came to the host with a wrong checksum while the node's "
   "sockets lost some, since the start."},
  {"weft_control_clients", gauge, "Clients of remote control, by role."},
  {"weft_certificate_expiry_seconds", gauge,
   "UNIX time when a certificate of remote control expires."},
  {"weft_network_connected", gauge,
   "Whether the node is connected to a directory of its network; absent, as "
   "the others: it is in none."},
  {"weft_network_members", gauge,
   "Members of the network that are known, with the node itself."},
  {"weft_network_peers", gauge, "Of them those that are the node's peers."},
  {"weft_network_certificate_expiry_seconds", gauge,
   "UNIX time when the node's certificate of membership ends; absent: it has "
   "none."},
  {"weft_network_list_age_seconds", gauge,
   "Seconds since the newest list of revocations was signed; absent: there is "
   "none."},
  {"weft_network_refused_total", counter,
   "What the node was told of the network and did not believe, by reason."},
  {"weft_network_clock_suspect", gauge,
   "Whether the node's clock would end most certificates at once, or is more "
   "than a day before what was signed, so that it is not believed."},
}};

/// The place of a family in the table.
consteval std::size_t family(std::string_view name) {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].name == name)
      return i;
  }
  throw "there is no such family";
}

struct numbered_word {
  peer_word word{};
  std::uint64_t number = 0;
};
constexpr std::array<numbered_word, 6> words{{{peer_word::up, 5},
                                              {peer_word::idle, 4},
                                              {peer_word::connecting, 3},
                                              {peer_word::waiting, 2},
                                              {peer_word::failing, 1},
                                              {peer_word::disabled, 0}}};

/// UNIX time; 0 for what was before.
std::uint64_t seconds_of(wall_time when) {
  const auto seconds = seconds_since_epoch(when);
  return seconds < 0 ? 0 : static_cast<std::uint64_t>(seconds);
}

std::string list_of(const std::vector<ip_prefix>& prefixes) {
  std::string text;
  for (const auto& prefix : prefixes) {
    if (!text.empty())
      text += ',';
    text += to_string(prefix);
  }
  return text;
}

} // namespace

std::span<const metric_family> metric_table() {
  return table;
}

std::uint64_t number_of(peer_word word) {
  const auto found
    = std::find_if(words.begin(), words.end(),
                   [word](const auto& row) { return row.word == word; });
  return found == words.end() ? 0 : found->number;
}

node_metrics::node_metrics(const device_status& device, wall_time now,
                           bool each_peer)
  : each_peer_(each_peer), interface_(device.interface), samples_(table) {
  for (const auto& row : words)
    words_[row.word] = 0;
  for (const auto each : cause::all)
    causes_[std::string{each}] = 0;
  add_device(device);
  if (device.network)
    add_network(*device.network, now);
}

std::string
node_metrics::labels(std::string_view name, std::string_view value) const {
  return metric_labels{{"interface", interface_}, {name, value}}.text();
}

void node_metrics::add_device(const device_status& status) {
  const auto own = metric_labels{{"interface", interface_}}.text();
  samples_.add(family("weft_build_info"), labels("version", status.version), 1);
  samples_.add(family("weft_up"), own,
               status.public_key == public_key{} || !status.link_up ? 0 : 1);
  samples_.add(family("weft_start_time_seconds"), own,
               seconds_of(status.started));
  for (const auto& [reason, packets] : status.drops)
    drops_[reason] += packets;
  for (const auto& [event, count] : status.events) {
    samples_.add(family("weft_events_total"), labels("event", event), count);
    constexpr std::string_view of_handshakes = "handshake_";
    if (event.starts_with(of_handshakes))
      samples_.add(family("weft_handshakes_total"),
                   labels("result", event.substr(of_handshakes.size())), count);
  }
  samples_.add(family("weft_events_lost_total"), own, status.events_lost);
  for (const auto& [pool, size, used, exhausted] : status.pools) {
    const auto those = labels("pool", pool);
    samples_.add(family("weft_pool_batches"), those, size);
    samples_.add(family("weft_pool_used_batches"), those, used);
    samples_.add(family("weft_pool_exhausted_total"), those, exhausted);
  }
  samples_.add(family("weft_send_queue_batches"), own, status.send_queue);
  for (const auto& each : status.offloads)
    samples_.add(family("weft_offload_in_use"), labels("offload", each.name),
                 std::uint64_t{each.in_use ? 1U : 0U});
  const auto& cores = status.cores;
  samples_.add(family("weft_cores"), own, cores.in_use);
  samples_.add(family("weft_failed_threads_total"), own, cores.failed);
  for (const auto& [fate, batches] :
       {std::pair{"handed_over", cores.handed_over},
        std::pair{"without_place", cores.without_place},
        std::pair{"without_core", cores.without_core}})
    samples_.add(family("weft_full_batches_total"), labels("fate", fate),
                 batches);
  samples_.add(family("weft_bad_checksums_total"), own, status.bad_checksums);
  const auto& access = status.access;
  samples_.add(family("weft_control_clients"), labels("role", "operator"),
               access.operators);
  samples_.add(family("weft_control_clients"), labels("role", "viewer"),
               access.viewers);
  for (const auto& certificate : access.certificates) {
    metric_labels those{{"interface", interface_}, {"file", certificate.file}};
    those.add("name", certificate.name);
    samples_.add(family("weft_certificate_expiry_seconds"), those.text(),
                 seconds_of(certificate.not_after));
  }
}

void node_metrics::add_network(const network_status& network, wall_time now) {
  const auto own = metric_labels{
    {"interface", interface_},
    {"network",
     network.name}}.text();
  samples_.add(family("weft_network_connected"), own,
               network.directory.empty() ? 0 : 1);
  samples_.add(family("weft_network_members"), own, network.members);
  samples_.add(family("weft_network_peers"), own, network.peers);
  if (network.certificate_ends)
    samples_.add(family("weft_network_certificate_expiry_seconds"), own,
                 seconds_of(*network.certificate_ends));
  if (network.list_issued) {
    const auto issued = seconds_of(*network.list_issued);
    const auto present = seconds_of(now);
    samples_.add(family("weft_network_list_age_seconds"), own,
                 present > issued ? present - issued : 0);
  }
  for (const auto& [reason, count] : network.refused) {
    metric_labels those{{"interface", interface_}, {"network", network.name}};
    those.add("reason", reason);
    samples_.add(family("weft_network_refused_total"), those.text(), count);
  }
  samples_.add(family("weft_network_clock_suspect"), own,
               network.clock_suspect ? 1 : 0);
}

void node_metrics::add_peers(const device_status& page, wall_time now) {
  for (const auto& peer : page.peers) {
    auto key = to_string(peer.public_key);
    if (!seen_.insert(key).second)
      continue;
    ++words_[peer.state.word];
    if (!peer.state.cause.empty())
      ++causes_[peer.state.cause];
    for (const auto& [reason, packets] : peer.drops)
      drops_[reason] += packets;
    if (each_peer_)
      add_peer(peer, key, now);
  }
}

void node_metrics::add_peer(const peer_status& peer, const std::string& key,
                            wall_time now) {
  metric_labels full{{"interface", interface_},
                     {"public_key", key},
                     {"allowed_ips", list_of(peer.allowed_ips)}};
  metric_labels brief{{"interface", interface_}, {"public_key", key}};
  if (!peer.name.empty()) {
    full.add("friendly_name", peer.name);
    brief.add("friendly_name", peer.name);
  }
  const auto exporters = full.text();
  samples_.add(family("wireguard_sent_bytes_total"), exporters, peer.tx_bytes);
  samples_.add(family("wireguard_received_bytes_total"), exporters,
               peer.rx_bytes);
  const auto last = peer.last_handshake ? seconds_of(*peer.last_handshake) : 0;
  samples_.add(family("wireguard_latest_handshake_seconds"), exporters, last);
  if (peer.last_handshake) {
    const auto present = seconds_of(now);
    samples_.add(family("wireguard_latest_handshake_delay_seconds"), exporters,
                 present > last ? present - last : 0);
  }
  const auto own = brief.text();
  samples_.add(family("weft_peer_state"), own, number_of(peer.state.word));
  std::uint64_t dropped = 0;
  for (const auto& each : peer.drops)
    dropped += each.packets;
  samples_.add(family("weft_peer_dropped_packets_total"), own, dropped);
  samples_.add(family("weft_peer_restarts_total"), own, peer.restarts);
  if (peer.round_trip > 0)
    samples_.add(family("weft_peer_round_trip_seconds"), own,
                 std::chrono::microseconds{peer.round_trip});
  if (peer.path_mtu > 0)
    samples_.add(family("weft_peer_path_mtu_bytes"), own,
                 std::uint64_t{peer.path_mtu});
  samples_.add(family("weft_peer_too_big_total"), own, peer.too_big);
}

std::string node_metrics::finish() {
  for (const auto& row : words)
    samples_.add(family("weft_peers"), labels("state", to_string(row.word)),
                 words_[row.word]);
  for (const auto& [name, peers] : causes_)
    samples_.add(family("weft_troubled_peers"), labels("cause", name), peers);
  for (const auto& [reason, packets] : drops_)
    samples_.add(family("weft_dropped_packets_total"), labels("reason", reason),
                 packets);
  return samples_.text();
}

} // namespace weft
