// Which metrics a node has, and how they follow from its status.  Neither an
// address nor a reason is a label: each new value would be a new time series.
#pragma once

#include "actors/metrics/exposition.hpp"
#include "config/device_status.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <unordered_set>

namespace weft {

/// All that there may be, in the order of the text.
std::span<const metric_family> metric_table();

/// The number that stands for a state in `weft_peer_state`: the better, the
/// higher.
std::uint64_t number_of(peer_word word);

/// The metrics of one moment, made of the status page by page.
class node_metrics {
public:
  /// `each_peer`: with those of each peer.  `device` is a status without peers.
  node_metrics(const device_status& device, wall_time now, bool each_peer);

  /// The peers of a page.  One that has come already (it was removed and added
  /// meanwhile) does not count again.
  void add_peers(const device_status& page, wall_time now);

  /// Once all pages are there.
  std::string finish();

private:
  void add_device(const device_status& status);
  void add_network(const network_status& network, wall_time now);
  void add_peer(const peer_status& peer, const std::string& key, wall_time now);
  /// `{interface="...",NAME="VALUE"}`
  std::string labels(std::string_view name, std::string_view value) const;

  bool each_peer_;
  std::string interface_;
  exposition samples_;
  std::map<std::string, std::uint64_t> drops_;  ///< by reason
  std::unordered_set<std::string> seen_;        ///< public keys of peers
  std::map<peer_word, std::uint64_t> words_;    ///< how many peers have it
  std::map<std::string, std::uint64_t> causes_; ///< how many peers have it
};

} // namespace weft
