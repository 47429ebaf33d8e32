// `weft peers`: one line for each peer.
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/status_text.hpp"

#include <algorithm>
#include <array>

namespace weft {

namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t least_label = 18;
constexpr std::size_t columns = 5;

/// Label, handshake, received, sent, endpoint.
using row = std::array<std::string, columns>;
using widths = std::array<std::size_t, columns>;

constexpr bool is_traffic(std::size_t column) {
  return column == 2 || column == 3;
}

widths widest_of(const std::vector<row>& rows) {
  widths widest{};
  for (const auto& cells : rows)
    for (std::size_t i = 0; i < columns; ++i)
      widest[i] = std::max(widest[i], display_width(cells[i]));
  return widest;
}

void append(std::string& out, const row& cells, const widths& layout,
            bool traffic) {
  for (std::size_t i = 0; i < columns; ++i) {
    if (is_traffic(i) && !traffic)
      continue;
    const auto cell = i == 0 ? shorten(cells[i], layout[i]) : cells[i];
    const std::string padding(layout[i] - display_width(cell), ' ');
    if (is_traffic(i))
      out += padding + cell;
    else
      out += i + 1 < columns ? cell + padding : cell;
    out += i + 1 < columns ? std::string(gap, ' ') : "\n";
  }
}

} // namespace

std::string
format_peers(const device_status& status, wall_time now, std::size_t width) {
  std::vector<row> rows{{"PEER", "HANDSHAKE", "RECEIVED", "SENT", "ENDPOINT"}};
  for (const auto& peer : status.peers)
    rows.push_back({peer_label(peer), handshake_age(peer, now),
                    format_bytes(peer.rx_bytes), format_bytes(peer.tx_bytes),
                    peer.endpoint ? to_string(*peer.endpoint) : "-"});
  auto layout = widest_of(rows);
  const auto slim = layout[1] + layout[4] + 2 * gap;
  const auto full = slim + layout[2] + layout[3] + 2 * gap;
  const bool traffic = full + std::min(layout[0], least_label) <= width;
  const auto others = traffic ? full : slim;
  if (layout[0] + others > width)
    layout[0] = std::max(least_label, width - std::min(others, width));
  layout[0] = std::min(layout[0], widest_of(rows)[0]);
  std::string out;
  for (const auto& cells : rows)
    append(out, cells, layout, traffic);
  return out;
}

} // namespace weft
