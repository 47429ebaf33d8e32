// `weft top`: what is on the screen.  No terminal, no clock and no actors here:
// a screen is made from what a node said twice, and when.
#pragma once

#include "config/device_status.hpp"
#include "protocol/base/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

class top_view;

struct traffic {
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  std::uint64_t rx_rate = 0; ///< bytes a second
  std::uint64_t tx_rate = 0;
};

/// What is shown of one peer.
struct top_peer {
  std::string name;
  weft::public_key public_key;
  std::string endpoint; ///< empty: none
  peer_state state;
  std::optional<std::chrono::seconds> age; ///< of the last handshake
  traffic amount;
};

struct top_summary {
  std::string interface;
  std::uint16_t listen_port = 0;
  std::uint32_t mtu = 0;
  std::size_t up = 0;          ///< peers in that state
  traffic amount;              ///< of all peers
  std::uint64_t drops = 0;     ///< packets
  std::uint64_t drop_rate = 0; ///< packets a second
  std::vector<top_peer> peers; ///< in the node's order
};

/// A node's status, and when it came.
struct top_sample {
  device_status status;
  instant when;
};

/// What has happened between two samples; without a former one all rates are
/// 0.  A counter that went back has begun anew: it counts from 0.
top_summary summarize(const top_sample* former, const top_sample& latest);

struct screen_size {
  std::size_t columns = 80;
  std::size_t rows = 0; ///< 0: as many as it takes
};

/// The screen, without escape codes: lines of at most `size.columns` columns,
/// each with its end, at most `size.rows` of them.  `note` is for the header,
/// such as why the figures are old.  Narrower than 60 columns, lines are cut.
/// `view` is what is to be seen of the peers, and learns how many that are.
std::string format_top(const top_summary& summary, screen_size size,
                       top_view& view, std::string_view note = {});
/// The busiest peers.
std::string format_top(const top_summary& summary, screen_size size);

/// All of it as JSON, in one line.
std::string format_top_json(const top_summary& summary);

} // namespace weft
