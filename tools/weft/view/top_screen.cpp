#include "tools/weft/view/top_screen.hpp"

#include "tools/weft/view/format.hpp"
#include "tools/weft/view/state_text.hpp"
#include "tools/weft/view/status_text.hpp"
#include "tools/weft/view/top_view.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <unordered_map>

namespace weft {

namespace {

constexpr std::size_t columns = 9;
constexpr std::size_t gap = 2;
constexpr std::size_t label_column = 0;
constexpr std::size_t endpoint_column = 1;
constexpr std::size_t state_column = 2;
constexpr std::size_t first_number = 3;
constexpr std::size_t trouble_column = 8;
constexpr std::size_t least_label = 11;
constexpr std::size_t narrow_label = 10;
constexpr std::size_t lines_above = 5;

using row = std::array<std::string, columns>;
using widths = std::array<std::size_t, columns>;

/// Label, endpoint and trouble share what the others leave.
constexpr widths fixed{0, 0, 5, 6, 5, 5, 5, 5, 0};

const row titles{"PEER", "ENDPOINT", "STATE", "AGE",    "RX/S",
                 "TX/S", "RX",       "TX",    "TROUBLE"};

std::uint64_t increase(std::uint64_t before, std::uint64_t now) {
  return now >= before ? now - before : now;
}

std::uint64_t per_second(std::uint64_t amount, duration elapsed) {
  if (elapsed <= duration::zero())
    return 0;
  const std::chrono::duration<double> seconds = elapsed;
  return static_cast<std::uint64_t>(static_cast<double>(amount)
                                    / seconds.count());
}

std::uint64_t sum(const std::vector<drop_count>& drops) {
  return std::accumulate(drops.begin(), drops.end(), std::uint64_t{0},
                         [](std::uint64_t all, const drop_count& one) {
                           return all + one.packets;
                         });
}

top_peer summarize(const peer_status& peer, wall_time now) {
  top_peer out;
  out.name = peer.name;
  out.public_key = peer.public_key;
  out.endpoint = peer.endpoint ? to_string(*peer.endpoint) : "";
  out.amount.rx_bytes = peer.rx_bytes;
  out.amount.tx_bytes = peer.tx_bytes;
  out.state = peer.state;
  if (peer.last_handshake)
    out.age = std::chrono::floor<std::chrono::seconds>(
      now - std::min(*peer.last_handshake, now));
  return out;
}

row cells_of(const top_peer& peer) {
  const auto& amount = peer.amount;
  return {peer_label(peer.name, peer.public_key),
          peer.endpoint.empty() ? "-" : peer.endpoint,
          std::string{to_string(peer.state.word)},
          peer.age ? format_age(*peer.age) : "-",
          format_short(amount.rx_rate),
          format_short(amount.tx_rate),
          format_short(amount.rx_bytes),
          format_short(amount.tx_bytes),
          trouble_text(peer.state)};
}

std::size_t widest(const std::vector<row>& rows, std::size_t column) {
  std::size_t width = 0;
  for (const auto& cells : rows)
    width = std::max(width, display_width(cells.at(column)));
  return width;
}

/// Labels by which peers can be told apart, when there is little room.
std::size_t least_width(const std::vector<row>& rows) {
  std::vector<std::string> labels;
  labels.reserve(rows.size());
  for (const auto& cells : rows)
    labels.push_back(cells[label_column]);
  return width_apart(labels, least_label);
}

widths lay_out(const std::vector<row>& rows, std::size_t width) {
  auto layout = fixed;
  layout[state_column] = widest(rows, state_column);
  const auto taken
    = std::accumulate(layout.begin(), layout.end(), gap * (columns - 2));
  auto free = width > taken ? width - taken : std::size_t{0};
  auto label = widest(rows, label_column);
  auto endpoint = widest(rows, endpoint_column);
  if (label + endpoint > free) {
    label = std::min(label, std::max(least_width(rows),
                                     free - std::min(free, endpoint)));
    // On a narrow screen names stay, and the last columns are cut.
    label = std::min(label, std::max(free, narrow_label));
    endpoint = std::min(endpoint, free - std::min(free, label));
  }
  layout[label_column] = label;
  layout[endpoint_column] = endpoint;
  free -= std::min(free, label + endpoint + gap);
  layout[trouble_column] = std::min(widest(rows, trouble_column), free);
  return layout;
}

std::string line_of(const row& cells, const widths& layout) {
  std::string line;
  for (std::size_t i = 0; i < columns; ++i) {
    const auto cell = i == trouble_column ? shorten(cells[i], layout[i])
                                          : shorten_middle(cells[i], layout[i]);
    const std::string padding(layout[i] - display_width(cell), ' ');
    const bool is_number = i >= first_number && i < trouble_column;
    line += is_number ? padding + cell : cell + padding;
    if (i + 1 < columns)
      line += std::string(gap, ' ');
  }
  return line;
}

/// `10.5 MiB/s, 1.23 GiB in all`
std::string traffic_text(std::uint64_t rate, std::uint64_t total) {
  return format_bytes(rate) + "/s, " + format_bytes(total) + " in all";
}

std::vector<std::string>
header_of(const top_summary& summary, const std::string& view,
          std::string_view note) {
  auto about
    = printable(summary.interface) + ": "
      + format_count(summary.peers.size(), "peer") + ", "
      + std::to_string(summary.up) + " up, port "
      + (summary.listen_port == 0 ? "none"
                                  : std::to_string(summary.listen_port));
  if (summary.mtu != 0)
    about += ", MTU " + std::to_string(summary.mtu);
  const auto& amount = summary.amount;
  return {about,
          "received " + traffic_text(amount.rx_rate, amount.rx_bytes)
            + "; sent " + traffic_text(amount.tx_rate, amount.tx_bytes),
          "dropped " + std::to_string(summary.drop_rate) + "/s, "
            + std::to_string(summary.drops) + " in all",
          printable(note) + (note.empty() || view.empty() ? "" : "; ")
            + printable(view)};
}

/// `19-36 of 50 peers; ? for help`
std::string
place_text(std::size_t first, std::size_t shown, std::size_t count) {
  if (shown == 0)
    return format_count(count, "peer");
  return std::to_string(first + 1) + '-' + std::to_string(first + shown)
         + " of " + format_count(count, "peer") + "; ? for help";
}

std::string cut(std::vector<std::string> lines, screen_size size) {
  if (size.rows != 0 && lines.size() > size.rows)
    lines.resize(size.rows);
  std::string out;
  for (const auto& line : lines) {
    out += shorten(line, size.columns);
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  return out;
}

} // namespace

top_summary summarize(const top_sample* former, const top_sample& latest) {
  const auto& status = latest.status;
  top_summary out;
  out.interface = status.interface;
  out.listen_port = status.listen_port;
  out.mtu = status.mtu;
  out.drops = sum(status.drops);
  std::unordered_map<public_key, const peer_status*> before;
  duration elapsed{0};
  if (former != nullptr) {
    elapsed = latest.when.now - former->when.now;
    out.drop_rate
      = per_second(increase(sum(former->status.drops), out.drops), elapsed);
    for (const auto& peer : former->status.peers)
      before.emplace(peer.public_key, &peer);
  }
  for (const auto& peer : status.peers) {
    auto& one = out.peers.emplace_back(summarize(peer, latest.when.wall));
    if (const auto found = before.find(peer.public_key);
        found != before.end()) {
      one.amount.rx_rate
        = per_second(increase(found->second->rx_bytes, peer.rx_bytes), elapsed);
      one.amount.tx_rate
        = per_second(increase(found->second->tx_bytes, peer.tx_bytes), elapsed);
    }
    out.up += one.state.word == peer_word::up ? 1 : 0;
    out.amount.rx_bytes += one.amount.rx_bytes;
    out.amount.tx_bytes += one.amount.tx_bytes;
    out.amount.rx_rate += one.amount.rx_rate;
    out.amount.tx_rate += one.amount.tx_rate;
  }
  return out;
}

std::string format_top(const top_summary& summary, screen_size size,
                       top_view& view, std::string_view note) {
  auto lines = header_of(summary, view.describe(), note);
  if (view.shows_help()) {
    const auto help = top_help();
    lines.insert(lines.end(), help.begin(), help.end());
    return cut(std::move(lines), size);
  }
  const auto chosen = view.choose(summary.peers);
  std::vector<row> rows{titles};
  for (const auto* peer : chosen)
    rows.push_back(cells_of(*peer));
  // Of all of them, so that columns stay where they are when one scrolls.
  const auto layout = lay_out(rows, size.columns);
  const bool fits = size.rows == 0 || chosen.size() + lines_above <= size.rows;
  auto room = chosen.size();
  if (!fits) // one line says what is seen
    room = size.rows - std::min(size.rows, lines_above + 1);
  const auto first = view.scroll_to(chosen.size(), room);
  lines.push_back(line_of(rows.front(), layout));
  for (std::size_t i = first; i < first + room; ++i)
    lines.push_back(line_of(rows[i + 1], layout));
  if (!fits)
    lines.push_back(place_text(first, room, chosen.size()));
  return cut(std::move(lines), size);
}

std::string format_top(const top_summary& summary, screen_size size) {
  top_view busiest;
  return format_top(summary, size, busiest);
}

} // namespace weft
