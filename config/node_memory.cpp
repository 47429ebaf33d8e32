#include "config/node_memory.hpp"

#include "config/strings.hpp"
#include "protocol/base/unix_time.hpp"

#include <array>
#include <limits>
#include <vector>

namespace weft {

namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

// The version is that of all that follows.
constexpr std::string_view first_line = "weft-state 1";
constexpr std::string_view last_line = "end";
constexpr std::string_view none = "-";
constexpr std::chrono::days longest_memory{30};

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(at), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string hex_of(const tai64n& stamp) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const auto byte : stamp) {
    text += digits[std::to_integer<unsigned>(byte) >> 4U];
    text += digits[std::to_integer<unsigned>(byte) & 15U];
  }
  return text;
}

std::optional<tai64n> read_stamp(std::string_view text) {
  tai64n stamp{};
  if (text.size() != 2 * stamp.size())
    return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = std::string_view{"0123456789abcdef"}.find(text[i]);
    if (digit == std::string_view::npos)
      return std::nullopt;
    auto& byte = stamp[i / 2];
    byte = byte << 4U | std::byte(digit);
  }
  return stamp;
}

std::optional<public_key> key_in(std::string_view text) {
  const auto bytes = from_base64(text);
  return bytes ? std::optional{to_public_key(*bytes)} : std::nullopt;
}

template <class Unit>
std::optional<wall_time> read_time(std::string_view text) {
  constexpr auto most = static_cast<std::uint64_t>(
    std::chrono::duration_cast<Unit>(nanoseconds::max()).count());
  const auto count = strings::parse_decimal(text, most);
  if (!count)
    return std::nullopt;
  return wall_time{Unit{static_cast<std::int64_t>(*count)}};
}

/// A peer of a line `peer KEY ENDPOINT CONFIGURED STAMP SESSION NOTED`.
bool read_peer(const std::vector<std::string_view>& words, node_memory& into) {
  constexpr std::size_t expected = 7;
  if (words.size() != expected || into.peers.size() == most_remembered)
    return false;
  const auto key = key_in(words[1]);
  const auto endpoint = parse_endpoint(words[2]);
  const auto stamp = read_stamp(words[4]);
  const auto noted = read_time<seconds>(words[6]);
  const bool has_session = words[5] == "session";
  if (!key || (!endpoint && words[2] != none) || !stamp || !noted
      || (!has_session && words[5] != none))
    return false;
  auto& peer = into.peers[*key];
  peer = {endpoint, words[3] == none ? "" : std::string{words[3]}, *stamp,
          has_session, *noted};
  return true;
}

bool read_line(std::string_view line, node_memory& into) {
  const auto words = split(line, ' ');
  if (words.size() == 2 && words[0] == "self") {
    const auto key = key_in(words[1]);
    into.self = key.value_or(public_key{});
    return key.has_value();
  }
  if (words.size() == 2 && words[0] == "stamp") {
    const auto stamp = read_time<nanoseconds>(words[1]);
    into.last_stamp = stamp.value_or(wall_time{});
    return stamp.has_value();
  }
  return !words.empty() && words[0] == "peer" && read_peer(words, into);
}

/// What is too old, or would lock a peer out.
void leave_out_useless(node_memory& memory, wall_time now) {
  std::erase_if(memory.peers, [&](const auto& one) {
    return now - one.second.noted > longest_memory;
  });
  for (auto& [key, peer] : memory.peers) {
    if (is_too_far_ahead(peer.newest_initiation, now))
      peer.newest_initiation = {};
  }
}

} // namespace

bool is_too_far_ahead(const tai64n& stamp, wall_time now) {
  return stamp > to_tai64n(now + most_ahead);
}

std::string format_memory(const node_memory& memory) {
  const auto or_none = [](std::string text) {
    return text.empty() ? std::string{none} : std::move(text);
  };
  std::string out{first_line};
  out += "\nself " + to_string(memory.self) + "\nstamp "
         + std::to_string(memory.last_stamp.time_since_epoch() / nanoseconds{1})
         + '\n';
  for (const auto& [key, peer] : memory.peers)
    out += "peer " + to_string(key) + ' '
           + or_none(peer.endpoint ? to_string(*peer.endpoint) : "") + ' '
           + or_none(peer.configured) + ' ' + hex_of(peer.newest_initiation)
           + ' ' + (peer.had_session ? "session" : std::string{none}) + ' '
           + std::to_string(seconds_since_epoch(peer.noted)) + '\n';
  return out + std::string{last_line} + '\n';
}

tl::expected<node_memory, std::string>
parse_memory(std::string_view text, wall_time now) {
  if (text.size() > max_memory_size)
    return tl::unexpected(std::string{"it is too long"});
  const auto lines = split(text, '\n');
  if (lines.empty() || lines.front() != first_line)
    return tl::unexpected(
      std::string{"it is of another version, or none of weft's"});
  if (lines.back() != last_line)
    return tl::unexpected(std::string{"its end is missing"});
  node_memory memory;
  for (std::size_t i = 1; i + 1 < lines.size(); ++i) {
    if (!read_line(lines[i], memory))
      return tl::unexpected("line " + std::to_string(i + 1) + " is broken");
  }
  leave_out_useless(memory, now);
  return memory;
}

} // namespace weft
