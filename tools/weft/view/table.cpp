#include "platform/routing.hpp"
#include "tools/weft/view/access_text.hpp"
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/host_text.hpp"
#include "tools/weft/view/network_text.hpp"
#include "tools/weft/view/offload_text.hpp"
#include "tools/weft/view/state_text.hpp"
#include "tools/weft/view/status_text.hpp"

#include <algorithm>
#include <array>
#include <tuple>

namespace weft {

namespace {

constexpr std::size_t indent = 2;
constexpr std::size_t gap = 2;
constexpr std::size_t key_characters = 8;
constexpr std::size_t widest_label = 18;

struct column {
  std::string title;
  std::size_t width = 0;
  bool right_aligned = false;
};

constexpr std::size_t column_count = 6;
using row = std::array<std::string, column_count>;
using columns = std::array<column, column_count>;

void append_spaces(std::string& out, std::size_t count) {
  out.append(count, ' ');
}

/// One row.  After a cell that is wider than its column the row goes on in
/// the next line, below the same title.
void append_row(std::string& out, const columns& layout, const row& cells) {
  std::size_t written = 0; // columns of this line
  std::size_t start = indent;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0 && written + gap > start) {
      out += '\n';
      written = 0;
    }
    const auto width = display_width(cells[i]);
    const auto padding = layout[i].right_aligned && width < layout[i].width
                           ? layout[i].width - width
                           : 0;
    append_spaces(out, start + padding - written);
    out += cells[i];
    written = start + padding + width;
    start += layout[i].width + gap;
  }
  out += '\n';
}

/// Lists with titles, one below the other.
struct details {
  std::string& out;
  std::size_t start; ///< column of the titles
  std::size_t width; ///< of the table

  /// `title` and the list beside it, wrapped into the table's width.
  void append(const std::string& title,
              const std::vector<std::string>& items) const {
    const auto list_start = start + title.size() + gap;
    const auto lines = wrap_list(items, width - list_start);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      append_spaces(out, start);
      out += i == 0 ? title : std::string(title.size(), ' ');
      append_spaces(out, gap);
      out += lines[i] + '\n';
    }
  }
};

std::vector<std::string> items_of(const std::vector<ip_prefix>& prefixes) {
  std::vector<std::string> items;
  items.reserve(prefixes.size());
  for (const auto& prefix : prefixes)
    items.push_back(to_string(prefix));
  return items;
}

row peer_row(const peer_status& peer, wall_time now) {
  return {peer_label(peer),
          std::string{to_string(peer.state.word)},
          peer.endpoint ? to_string(*peer.endpoint) : "-",
          handshake_age(peer, now),
          format_bytes(peer.rx_bytes),
          format_bytes(peer.tx_bytes)};
}

/// Narrow columns first; the endpoint gets what the label leaves.
columns lay_out(const std::vector<row>& rows, std::size_t width) {
  columns layout{{{"PEER", 4, false},
                  {"STATE", 5, false},
                  {"ENDPOINT", 8, false},
                  {"HANDSHAKE", 10, false},
                  {"RECEIVED", 8, true},
                  {"SENT", 8, true}}};
  const auto widen = [&](std::size_t column, std::size_t most) {
    auto& now = layout.at(column).width;
    for (const auto& cells : rows)
      if (const auto cell = display_width(cells.at(column)); cell <= most)
        now = std::max(now, cell);
  };
  const auto& endpoint = layout[2];
  widen(1, width);
  widen(0, std::max(widest_label, width / 4));
  auto taken = indent + gap * (layout.size() - 1);
  for (const auto& one : layout)
    taken += &one != &endpoint ? one.width : 0;
  widen(2, width - std::min(taken, width));
  return layout;
}

/// What was dropped, and why.
std::vector<std::string> drop_items(const std::vector<drop_count>& drops) {
  std::vector<std::string> items;
  for (const auto& drop : drops)
    if (drop.packets > 0)
      items.push_back(printable(drop.reason) + ' '
                      + std::to_string(drop.packets));
  return items;
}

/// What most of the time nobody wants to know.
void append_more(const details& below, const peer_status& peer) {
  std::vector<std::string> more{
    "received " + format_count(peer.rx_packets, "packet"),
    "sent " + format_count(peer.tx_packets, "packet"),
    peer.session_age ? "session began " + format_age(*peer.session_age) + " ago"
                     : "no session"};
  if (peer.round_trip > 0)
    more.push_back("round trip " + format_microseconds(peer.round_trip));
  below.append("more  ", more);
  if (const auto drops = drop_items(peer.drops); !drops.empty())
    below.append("drops ", drops);
}

void append_peer_details(const details& below, const peer_status& peer,
                         wall_time now, bool verbose) {
  if (verbose || needs_words(peer.state))
    below.append("state ", {state_sentence(peer.state, now)});
  auto allowed = items_of(peer.allowed_ips);
  if (allowed.empty())
    allowed.emplace_back("nothing");
  below.append("allows", allowed);
  std::vector<std::string> also;
  if (!peer.endpoint_host.empty())
    also.push_back((peer.endpoint ? "resolved from " : "not resolved: ")
                   + printable(peer.endpoint_host));
  if (peer.persistent_keepalive.count() > 0)
    also.push_back("keepalive every " + format_age(peer.persistent_keepalive));
  if (peer.path_mtu > 0)
    also.push_back("its path carries " + std::to_string(peer.path_mtu)
                   + " bytes");
  if (peer.restarts > 0)
    also.push_back("restarted " + format_count(peer.restarts, "time"));
  if (!also.empty())
    below.append("also  ", also);
}

/// `link up, 2 of 3 peers up, running for 2d, version 0.1.0`
std::vector<std::string>
state_items(const device_status& status, wall_time now) {
  const auto up = std::count_if(status.peers.begin(), status.peers.end(),
                                [](const peer_status& peer) {
                                  return peer.state.word == peer_word::up;
                                });
  std::vector<std::string> items{status.link_up ? "link up" : "link down"};
  if (!status.peers.empty())
    items.push_back(std::to_string(up) + " of "
                    + format_count(status.peers.size(), "peer") + " up");
  if (status.started > wall_time{})
    items.push_back(
      "running for "
      + format_age(std::chrono::duration_cast<std::chrono::seconds>(
        now - std::min(status.started, now))));
  if (!status.version.empty())
    items.push_back("version " + printable(status.version));
  return items;
}

/// `3 in use, handed over 40 of 70 full batches`; empty: there is but one.
std::vector<std::string> core_items(const core_use& cores) {
  if (cores.in_use == 1 && cores.failed == 0)
    return {};
  std::vector<std::string> items{std::to_string(cores.in_use) + " in use"};
  const auto all = cores.handed_over + cores.without_place + cores.without_core;
  if (all > 0)
    items.push_back("handed over " + std::to_string(cores.handed_over) + " of "
                    + std::to_string(all) + " full batches");
  if (cores.in_use > 1 && !cores.is_shared)
    items.emplace_back("just now none is idle");
  if (cores.failed > 0)
    items.push_back(format_count(cores.failed, "thread") + " failed");
  return items;
}

void append_device(const details& below, const device_status& status,
                   wall_time now) {
  below.out += printable(status.interface) + '\n';
  below.append("state     ", state_items(status, now));
  below.append("public key",
               {status.public_key.is_zero() ? "none"
                                            : to_string(status.public_key)});
  if (!status.addresses.empty())
    below.append("addresses ", items_of(status.addresses));
  if (!status.routes.empty())
    below.append("routes    ", items_of(status.routes));
  for (const auto& line : host_lines(status.host))
    below.append("host      ", {line});
  std::vector<std::string> settings{
    "port "
    + (status.listen_port == 0 ? "none" : std::to_string(status.listen_port))};
  if (status.mtu != 0)
    settings.push_back("MTU " + std::to_string(status.mtu));
  if (status.fwmark != 0)
    settings.push_back("firewall mark " + to_hexadecimal(status.fwmark));
  settings.push_back(format_count(status.peers.size(), "peer"));
  below.append("settings  ", settings);
  if (status.network) {
    for (const auto& line : network_lines(*status.network, now))
      below.append("network   ", line);
  }
  if (!status.remote_control.empty() && status.remote_control != "open")
    below.append("remote    ", {printable(status.remote_control)});
  if (!status.lock.empty())
    below.append("lock      ", {printable(status.lock)});
  for (const auto& trouble : access_troubles(status.access, now))
    below.append("access    ", {trouble});
  if (!status.offloads.empty())
    below.append("offloads  ", offload_items(status.offloads));
  if (const auto cores = core_items(status.cores); !cores.empty())
    below.append("cores     ", cores);
  if (status.bad_checksums > 0)
    below.append("checksums ",
                 {format_count(status.bad_checksums, "UDP datagram")
                  + " came with a wrong one while the node's socket lost "
                    "some"});
  if (const auto drops = drop_items(status.drops); !drops.empty())
    below.append("dropped   ", drops);
}

} // namespace

void sort_peers(device_status& status) {
  std::sort(status.peers.begin(), status.peers.end(),
            [](const peer_status& a, const peer_status& b) {
              return std::forward_as_tuple(a.name.empty(), a.name, a.public_key)
                     < std::forward_as_tuple(b.name.empty(), b.name,
                                             b.public_key);
            });
}

std::string peer_label(const std::string& name, const public_key& key) {
  if (!name.empty())
    return printable(name);
  return to_string(key).substr(0, key_characters) + "...";
}

std::string handshake_age(const peer_status& peer, wall_time now) {
  if (!peer.last_handshake)
    return "never";
  if (*peer.last_handshake > now + std::chrono::seconds{1})
    return "in future"; // the wall clock was set back since
  const auto age = now - *peer.last_handshake;
  return format_age(std::chrono::duration_cast<std::chrono::seconds>(age))
         + " ago";
}

std::string format_table(const device_status& status, wall_time now,
                         const table_options& options) {
  std::string out;
  append_device({out, indent, options.width}, status, now);
  if (status.peers.empty())
    return out;
  std::vector<row> rows;
  rows.reserve(status.peers.size());
  for (const auto& peer : status.peers)
    rows.push_back(peer_row(peer, now));
  const auto layout = lay_out(rows, options.width);
  row titles;
  std::transform(layout.begin(), layout.end(), titles.begin(),
                 [](const column& c) { return c.title; });
  out += '\n';
  append_row(out, layout, titles);
  const details below{out, indent + layout[0].width + gap, options.width};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    append_row(out, layout, rows[i]);
    append_peer_details(below, status.peers[i], now, options.verbose);
    if (options.verbose)
      append_more(below, status.peers[i]);
  }
  return out;
}

} // namespace weft
