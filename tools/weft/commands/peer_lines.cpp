// `weft peers`: a line for each peer.
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/state_text.hpp"
#include "tools/weft/view/status_text.hpp"

#include <algorithm>
#include <array>
#include <numeric>

namespace weft {

namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t indent = 4; ///< of what stands below a peer
constexpr std::size_t least_label = 12;
/// `255.255.255.255:65535`
constexpr std::size_t least_endpoint = 21;

enum column : std::size_t {
  label,
  state,
  since,
  handshake,
  received,
  sent,
  address,
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

/// Of a line; columns without a width are left out.
std::size_t width_of(const widths& layout) {
  std::size_t width = 0;
  for (const auto one : layout)
    width += one == 0 ? 0 : one + (width == 0 ? 0 : gap);
  return width;
}

/// Where not all of it fits, troubles go below their peers, traffic and
/// handshakes are left out, and then long addresses and names are cut: whoever
/// looks at peers wants to know how they are, and where.
widths lay_out(const std::vector<row>& rows, std::size_t width) {
  auto layout = widest_of(rows);
  if (width_of(layout) <= width)
    return layout;
  layout[trouble] = 0;
  const auto shortest_label
    = std::min(layout[label], width_apart(labels_of(rows), least_label));
  const auto can_fit = [&] {
    auto least = layout;
    least[label] = shortest_label;
    least[address] = std::min(layout[address], least_endpoint);
    return width_of(least) <= width;
  };
  if (!can_fit())
    layout[received] = layout[sent] = 0;
  if (!can_fit())
    layout[handshake] = 0;
  const auto give_way = [&](column which, std::size_t least) {
    const auto now = width_of(layout);
    auto& one = layout[which];
    one -= std::min(now - std::min(now, width), one - std::min(one, least));
  };
  give_way(address, least_endpoint);
  give_way(label, shortest_label);
  return layout;
}

std::string line_of(const row& cells, const widths& layout) {
  std::string line;
  for (std::size_t i = 0; i < column_count; ++i) {
    if (layout[i] == 0)
      continue;
    const auto cell = shorten_middle(cells[i], layout[i]);
    const std::string padding(layout[i] - display_width(cell), ' ');
    const bool is_number = i == received || i == sent;
    line += is_number ? padding + cell : cell + padding;
    line += std::string(gap, ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

/// What stands in the way, in lines of its own.
std::string below(const std::string& text, std::size_t width) {
  std::string out;
  for (const auto& line : wrap_words(text, width - indent))
    out += std::string(indent, ' ') + line + '\n';
  return out;
}

} // namespace

std::string
format_peers(const device_status& status, wall_time now, std::size_t width) {
  std::vector<row> rows{titles};
  for (const auto& peer : status.peers)
    rows.push_back(cells_of(peer, now));
  const auto layout = lay_out(rows, width);
  std::string out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    out += shorten(line_of(rows[i], layout), width) + '\n';
    if (i > 0 && layout[column::trouble] == 0) // below the titles there is none
      out += below(rows[i][column::trouble], width);
  }
  return out;
}

} // namespace weft
