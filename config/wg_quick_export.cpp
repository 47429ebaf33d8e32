#include "config/command_words.hpp"
#include "config/fields.hpp"
#include "config/full_tunnel.hpp"
#include "config/prefix_cover.hpp"
#include "config/wg_quick.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>

namespace weft {

namespace {

/// Whether wg-quick, which makes a route for each allowed IP, would make one
/// that weft does not.
bool would_route_too_much(const node_config& config) {
  auto routed = config.interface.cluster_networks;
  const auto& own = config.interface.addresses;
  routed.insert(routed.end(), own.begin(), own.end());
  const prefix_cover cover{std::move(routed)};
  return std::any_of(
    config.peers.begin(), config.peers.end(), [&](const auto& peer) {
      return std::any_of(peer.allowed_ips.begin(), peer.allowed_ips.end(),
                         [&](const auto& prefix) {
                           const bool is_led
                             = peer.default_route && prefix.length == 0;
                           return !is_led && !cover.covers(prefix);
                         });
    });
}

/// As one word of a POSIX shell.
std::string quoted_for_shell(const std::string& word) {
  constexpr std::string_view plain
    = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:,@";
  if (!word.empty() && word.find_first_not_of(plain) == word.npos)
    return word;
  std::string out = "'";
  for (const char c : word)
    out += c == '\'' ? std::string{"'\\''"} : std::string{c};
  return out + '\'';
}

/// `Key = VALUE`, if wg-quick knows the key and there is a value.
template <class Section, class Value>
void export_key(std::string& out, const field<Section, Value>& row,
                const Value& value) {
  if (row.wg_quick.empty() || value == Value{})
    return;
  out += std::string{row.wg_quick} + " = ";
  append_secret(out, row.print(value));
  out += '\n';
}

/// Where it listens: wg-quick has a key for the port alone.
void export_key(std::string& out, const field<interface_config, endpoint>& row,
                const endpoint& listen) {
  if (!listen.address.is_unspecified())
    out += "# weft listens on " + to_string(listen.address)
           + " only; wg-quick has no key for that.\n";
  if (listen.port != 0)
    out
      += std::string{row.wg_quick} + " = " + std::to_string(listen.port) + "\n";
}

/// `PostUp = COMMAND`, for wg-quick's shell.
void export_commands(std::string& out, std::string_view key,
                     const std::vector<std::string>& commands) {
  for (const auto& command : commands) {
    std::string line;
    for (const auto& word : split_command(command).value_or(text_list{}))
      line += (line.empty() ? "" : " ") + quoted_for_shell(word);
    // It takes what follows a # for a comment, and %i for the interface.
    const bool is_taken
      = line.find('#') == line.npos && line.find("%i") == line.npos;
    out += (is_taken ? "" : "# not for wg-quick: ") + std::string{key} + " = "
           + line + '\n';
  }
}

/// In which table wg-quick is to make routes, if not as it would by itself.
void export_routes(std::string& out, const node_config& config) {
  const auto& interface = config.interface;
  if (interface.table != 0)
    out += "Table = " + std::to_string(interface.table) + '\n';
  if (interface.routes == route_mode::automatic
      || !would_route_too_much(config))
    return;
  out += "# weft makes no route for some of the allowed IPs.\n";
  if (full_tunnel_of(config).any())
    out += "# wg-quick does, if it makes the default route.\n";
  else if (interface.table == 0)
    out += "Table = off\n";
}

void export_interface(std::string& out, const node_config& config) {
  const auto& interface = config.interface;
  out += "[Interface]\n";
  for_each_field<interface_config>([&](const auto& row, auto) {
    export_key(out, row, interface.*row.member);
  });
  if (!interface.dns.empty())
    out += "DNS = " + row_of<&interface_config::dns>().print(interface.dns)
           + '\n';
  export_routes(out, config);
  if (interface.kill_switch)
    out
      += "# weft lets nothing leave beside the tunnel (kill_switch); wg-quick "
         "has no key\n# for that.\n";
  export_commands(out, "PostUp", interface.on_up);
  export_commands(out, "PostDown", interface.on_down);
}

/// With the allowed IPs that `default_route` stands for.
peer_config spelled_out(const peer_config& peer) {
  auto spelled = peer;
  const auto is_all
    = [](const ip_prefix& prefix) { return prefix.length == 0; };
  if (peer.default_route && std::ranges::none_of(peer.allowed_ips, is_all)) {
    for (const auto* all : {"0.0.0.0/0", "::/0"})
      spelled.allowed_ips.push_back(*parse_ip_prefix(all));
  }
  return spelled;
}

void export_peer(std::string& out, const peer_config& given) {
  const auto peer = spelled_out(given);
  out += "\n[Peer]\n";
  if (!peer.name.empty())
    out += "# Name = " + peer.name + "\n";
  for_each_field<peer_config>(
    [&](const auto& row, auto) { export_key(out, row, peer.*row.member); });
}

} // namespace

std::string export_wg_quick(const node_config& config) {
  std::string out;
  auto room = 1024 + 64 * config.interface.addresses.size();
  for (const auto& peer : config.peers)
    room += 768 + 64 * peer.allowed_ips.size();
  out.reserve(room); // growing would leave copies of keys behind
  export_interface(out, config);
  for (const auto& peer : config.peers)
    export_peer(out, peer);
  return out;
}

} // namespace weft
