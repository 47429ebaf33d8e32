#include "tools/weft/view/control_text.hpp"

#include "tools/weft/view/format.hpp"
#include "tools/weft/view/json_text.hpp"
#include "tools/weft/view/status_text.hpp"

#include <nlohmann/json.hpp>

namespace weft {

namespace {

using json_value = nlohmann::ordered_json;

constexpr std::size_t kind_width = 19; // handshake_completed

/// `number` with at least `width` digits.
std::string digits(std::int64_t number, std::size_t width) {
  auto text = std::to_string(number);
  if (text.size() < width)
    text.insert(0, width - text.size(), '0');
  return text;
}

/// Seconds since the epoch, to the millisecond.
double to_seconds(wall_time time) {
  const auto count
    = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch());
  return static_cast<double>(count.count()) / 1000;
}

std::string event_line(wall_time when, std::string kind,
                       const std::vector<std::string>& parts) {
  if (kind.size() < kind_width)
    kind.append(kind_width - kind.size(), ' ');
  auto line = format_time(when) + "  " + kind;
  for (const auto& part : parts)
    if (!part.empty())
      line += "  " + printable(part);
  line.erase(line.find_last_not_of(' ') + 1);
  return line + '\n';
}

} // namespace

std::string format_changes(const config_changes& changes, bool json) {
  if (json) {
    json_value out;
    out["peers_added"] = changes.peers_added;
    out["peers_changed"] = changes.peers_changed;
    out["peers_removed"] = changes.peers_removed;
    out["notes"] = changes.notes;
    return to_text(out);
  }
  struct amount {
    std::uint32_t peers;
    const char* what;
  };
  std::string text;
  for (const auto& [peers, what] :
       {amount{changes.peers_added, " added"},
        amount{changes.peers_changed, " changed"},
        amount{changes.peers_removed, " removed"}}) {
    if (peers != 0)
      text += (text.empty() ? format_count(peers, "peer")
                            : ", " + std::to_string(peers))
              + what;
  }
  if (text.empty() && changes.notes.empty())
    text = "nothing to change";
  if (!text.empty())
    text += '\n';
  for (const auto& note : changes.notes)
    text += printable(note) + '\n';
  return text;
}

std::string format_time(wall_time time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{
    std::chrono::floor<std::chrono::milliseconds>(time - day)};
  return digits(int{date.year()}, 4) + '-' + digits(unsigned{date.month()}, 2)
         + '-' + digits(unsigned{date.day()}, 2) + 'T'
         + digits(clock.hours().count(), 2) + ':'
         + digits(clock.minutes().count(), 2) + ':'
         + digits(clock.seconds().count(), 2) + '.'
         + digits(clock.subseconds().count(), 3) + 'Z';
}

std::string format_event(const overlay_event& event, bool json) {
  const auto where = event.endpoint ? to_string(*event.endpoint) : "";
  const bool has_peer = !event.peer.is_zero();
  if (!json)
    return event_line(event.when, std::string{to_string(event.kind)},
                      {has_peer ? peer_label(event.peer_name, event.peer) : "",
                       where, event.reason});
  json_value out;
  out["time"] = to_seconds(event.when);
  out["kind"] = to_string(event.kind);
  out["interface"] = null_if_empty(event.interface);
  out["public_key"] = null_if_empty(has_peer ? to_string(event.peer) : "");
  out["name"] = null_if_empty(event.peer_name);
  out["endpoint"] = null_if_empty(where);
  out["reason"] = null_if_empty(event.reason);
  return to_line(out);
}

std::string format_connection(const std::string& kind, wall_time when,
                              const std::string& reason, bool json) {
  if (!json)
    return event_line(when, kind, {reason});
  json_value out;
  out["time"] = to_seconds(when);
  out["kind"] = kind;
  for (const auto* absent : {"interface", "public_key", "name", "endpoint"})
    out[absent] = nullptr;
  out["reason"] = null_if_empty(reason);
  return to_line(out);
}

} // namespace weft
