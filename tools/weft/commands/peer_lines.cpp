// `weft peers`: one line for each peer.
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/state_text.hpp"
#include "tools/weft/view/status_text.hpp"

#include <algorithm>
#include <array>
#include <numeric>

namespace weft {

namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t least_label = 12;
constexpr std::size_t least_endpoint = 15;
constexpr std::size_t least_trouble = 9;

enum column : std::size_t {
  label,
  state,
  since,
  handshake,
  received,
  sent,
  endpoint,
  trouble,
  column_count,
};

using row = std::array<std::string, column_count>;
using widths = std::array<std::size_t, column_count>;

const row titles{"PEER",     "STATE", "SINCE",    "HANDSHAKE",
                 "RECEIVED", "SENT",  "ENDPOINT", "TROUBLE"};

row cells_of(const peer_status& peer, wall_time now) {
  return {peer_label(peer),
          std::string{to_string(peer.state.word)},
          state_age(peer.state, now),
          handshake_age(peer, now),
          format_bytes(peer.rx_bytes),
          format_bytes(peer.tx_bytes),
          peer.endpoint ? to_string(*peer.endpoint) : "-",
          trouble_text(peer.state)};
}

widths widest_of(const std::vector<row>& rows) {
  widths widest{};
  for (const auto& cells : rows)
    for (std::size_t i = 0; i < column_count; ++i)
      widest[i] = std::max(widest[i], display_width(cells[i]));
  return widest;
}

std::vector<std::string> labels_of(const std::vector<row>& rows) {
  std::vector<std::string> all;
  all.reserve(rows.size());
  for (const auto& cells : rows)
    all.push_back(cells[label]);
  return all;
}

/// Columns give way in turn until all of them fit: whoever looks knows where
/// his peers are, but not how they are.
widths lay_out(const std::vector<row>& rows, std::size_t width) {
  auto layout = widest_of(rows);
  const auto needed
    = std::accumulate(layout.begin(), layout.end(), gap * (column_count - 1));
  auto excess = needed - std::min(needed, width);
  const auto give_way = [&](column which, std::size_t least) {
    auto& now = layout[which];
    const auto given = std::min(excess, now - std::min(now, least));
    now -= given;
    excess -= given;
  };
  give_way(endpoint, least_endpoint);
  give_way(trouble, least_trouble);
  if (excess > 0)
    give_way(label, width_apart(labels_of(rows), least_label));
  return layout;
}

std::string fit(const std::string& text, std::size_t which, std::size_t width) {
  return which == trouble ? shorten(text, width) : shorten_middle(text, width);
}

std::string line_of(const row& cells, const widths& layout) {
  std::string line;
  for (std::size_t i = 0; i < column_count; ++i) {
    const auto cell = fit(cells[i], i, layout[i]);
    const std::string padding(layout[i] - display_width(cell), ' ');
    const bool is_number = i == received || i == sent;
    line += is_number ? padding + cell : cell + padding;
    line += std::string(gap, ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

} // namespace

std::string
format_peers(const device_status& status, wall_time now, std::size_t width) {
  std::vector<row> rows{titles};
  for (const auto& peer : status.peers)
    rows.push_back(cells_of(peer, now));
  const auto layout = lay_out(rows, width);
  std::string out;
  for (const auto& cells : rows)
    out += shorten(line_of(cells, layout), width) + '\n';
  return out;
}

} // namespace weft
