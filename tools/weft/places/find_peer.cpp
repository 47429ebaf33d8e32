#include "tools/weft/places/find_peer.hpp"

#include "config/strings.hpp"
#include "config/values.hpp"
#include "tools/weft/places/requests.hpp"

#include <algorithm>
#include <cerrno>

namespace weft {

namespace {

constexpr std::size_t shortest_beginning = 4;

failure no_such_peer(const std::string& name, const device_status& status) {
  std::vector<std::string_view> names;
  for (const auto& peer : status.peers)
    if (!peer.name.empty())
      names.emplace_back(peer.name);
  auto text = "there is no peer " + strings::quote(name);
  if (const auto near = strings::nearest(name, names))
    text += "; did you mean " + strings::quote(*near) + '?';
  else
    text += "; 'weft peers' lists them";
  return {exit_no_peer, ENOENT, std::move(text), "peer"};
}

failure ambiguous(const std::string& text, const std::string& why) {
  return mistake(strings::quote(text) + ' ' + why, "peer");
}

/// What may begin a key: base64, and dots that stand for the rest.
std::string_view beginning_of_key(std::string_view text) {
  while (text.ends_with('.'))
    text.remove_suffix(1);
  const auto is_base64 = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
           || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
  };
  if (text.size() < shortest_beginning
      || !std::all_of(text.begin(), text.end(), is_base64))
    return {};
  return text;
}

} // namespace

outcome<public_key>
find_peer_in(const device_status& status, const std::string& text) {
  std::vector<public_key> found;
  for (const auto& one : status.peers)
    if (one.name == text)
      found.push_back(one.public_key);
  if (found.size() > 1)
    return tl::unexpected(
      ambiguous(text, "is the name of several peers: give the public key "
                      "('weft peers --json' shows them)"));
  const auto beginning = beginning_of_key(text);
  if (found.empty() && !beginning.empty()) {
    std::string keys;
    for (const auto& one : status.peers) {
      const auto key = to_string(one.public_key);
      if (!key.starts_with(beginning))
        continue;
      found.push_back(one.public_key);
      keys += (keys.empty() ? "" : ", ") + key;
    }
    if (found.size() > 1)
      return tl::unexpected(
        ambiguous(text, "begins several keys: " + keys + "; give more of it"));
  }
  if (found.empty())
    return tl::unexpected(no_such_peer(text, status));
  return found.front();
}

outcome<public_key>
find_peer(const std::string& text, const node_connection& link) {
  if (auto key = read_public_key(text))
    return *key;
  if (!read_peer_name(text))
    return tl::unexpected(mistake("a peer is given by its name or by its "
                                  "public key, 44 characters of base64",
                                  "peer"));
  const auto status = ask_status(link);
  if (!status)
    return tl::unexpected(status.error());
  return find_peer_in(*status, text);
}

} // namespace weft
