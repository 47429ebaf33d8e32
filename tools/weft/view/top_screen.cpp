#include "tools/weft/view/top_screen.hpp"

#include "protocol/base/wireguard.hpp"
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/status_text.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>
#include <unordered_map>

namespace weft {

namespace {

constexpr std::size_t columns = 8;
constexpr std::size_t gap = 2;
constexpr std::size_t label_column = 0;
constexpr std::size_t endpoint_column = 1;
constexpr std::size_t first_number = 3;
constexpr std::size_t least_label = 14;
constexpr std::size_t narrow_label = 10;
constexpr std::size_t lines_above = 5;

using row = std::array<std::string, columns>;
using widths = std::array<std::size_t, columns>;

/// Label and endpoint share what the others leave.
constexpr widths fixed{0, 0, 5, 6, 5, 5, 5, 5};

const row titles{"PEER", "ENDPOINT", "STATE", "AGE",
                 "RX/S", "TX/S",     "RX",    "TX"};

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
  if (peer.last_handshake) {
    const auto age = std::chrono::floor<std::chrono::seconds>(
      now - std::min(*peer.last_handshake, now));
    out.age = age;
    out.state = age < limits::reject_after_time ? liveness::up : liveness::down;
  }
  return out;
}

row cells_of(const top_peer& peer) {
  const auto& amount = peer.amount;
  return {peer_label(peer.name, peer.public_key),
          peer.endpoint.empty() ? "-" : peer.endpoint,
          std::string{to_string(peer.state)},
          peer.age ? format_age(*peer.age) : "-",
          format_short(amount.rx_rate),
          format_short(amount.tx_rate),
          format_short(amount.rx_bytes),
          format_short(amount.tx_bytes)};
}

widths lay_out(const std::vector<row>& rows, std::size_t width) {
  auto layout = fixed;
  const auto taken
    = std::accumulate(fixed.begin(), fixed.end(), gap * (columns - 1));
  const auto free = width > taken ? width - taken : std::size_t{0};
  std::size_t label = 0;
  std::size_t endpoint = 0;
  for (const auto& cells : rows) {
    label = std::max(label, display_width(cells[label_column]));
    endpoint = std::max(endpoint, display_width(cells[endpoint_column]));
  }
  if (label + endpoint > free)
    label = std::min(label,
                     std::max(least_label, free > endpoint ? free - endpoint
                                                           : std::size_t{0}));
  // On a narrow screen names stay, and the last columns are cut.
  layout[label_column] = std::min(label, std::max(free, narrow_label));
  layout[endpoint_column]
    = std::min(endpoint, free - std::min(free, layout[label_column]));
  return layout;
}

std::string line_of(const row& cells, const widths& layout) {
  std::string line;
  for (std::size_t i = 0; i < columns; ++i) {
    const auto cell = i == endpoint_column ? shorten_middle(cells[i], layout[i])
                                           : shorten(cells[i], layout[i]);
    const std::string padding(layout[i] - display_width(cell), ' ');
    line += i >= first_number ? padding + cell : cell + padding;
    if (i + 1 < columns)
      line += std::string(gap, ' ');
  }
  return line;
}

/// By what they transfer now, then by what they have transferred.
bool is_busier(const top_peer& a, const top_peer& b) {
  const auto rank = [](const top_peer& peer) {
    const auto& amount = peer.amount;
    return std::pair{amount.rx_rate + amount.tx_rate,
                     amount.rx_bytes + amount.tx_bytes};
  };
  if (rank(a) != rank(b))
    return rank(a) > rank(b);
  return std::tie(a.name, a.public_key) < std::tie(b.name, b.public_key);
}

/// `10.5 MiB/s, 1.23 GiB in all`
std::string traffic_text(std::uint64_t rate, std::uint64_t total) {
  return format_bytes(rate) + "/s, " + format_bytes(total) + " in all";
}

std::vector<std::string>
header_of(const top_summary& summary, std::string_view note) {
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
          printable(note)};
}

} // namespace

std::string_view to_string(liveness state) {
  switch (state) {
    case liveness::never:
      return "never";
    case liveness::up:
      return "up";
    case liveness::down:
      break;
  }
  return "down";
}

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
    out.up += one.state == liveness::up ? 1 : 0;
    out.amount.rx_bytes += one.amount.rx_bytes;
    out.amount.tx_bytes += one.amount.tx_bytes;
    out.amount.rx_rate += one.amount.rx_rate;
    out.amount.tx_rate += one.amount.tx_rate;
  }
  std::sort(out.peers.begin(), out.peers.end(), is_busier);
  return out;
}

std::string format_top(const top_summary& summary, screen_size size,
                       std::string_view note) {
  std::vector<row> rows;
  rows.reserve(summary.peers.size());
  for (const auto& peer : summary.peers)
    rows.push_back(cells_of(peer));
  std::size_t hidden = 0;
  if (size.rows != 0 && rows.size() + lines_above > size.rows) {
    // One line says how many are missing.
    const auto room
      = size.rows > lines_above + 1 ? size.rows - lines_above - 1 : 0;
    hidden = rows.size() - room;
    rows.resize(room);
  }
  auto lines = header_of(summary, note);
  rows.insert(rows.begin(), titles);
  const auto layout = lay_out(rows, size.columns);
  for (const auto& cells : rows)
    lines.push_back(line_of(cells, layout));
  if (hidden != 0)
    lines.push_back("and " + std::to_string(hidden) + " more");
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

} // namespace weft
