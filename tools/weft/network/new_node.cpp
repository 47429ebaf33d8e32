#include "tools/weft/network/new_node.hpp"

#include "config/network_checks.hpp"
#include "config/strings.hpp"
#include "platform/files.hpp"
#include "platform/random.hpp"
#include "platform/resolve.hpp"
#include "platform/saved_file.hpp"
#include "protocol/base/unix_time.hpp"
#include "protocol/network/ranges.hpp"
#include "protocol/network/token.hpp"
#include "tools/weft/network/service.hpp"
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/json_text.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <ostream>

namespace weft {

namespace {

constexpr std::uint16_t usual_port = 51820;

/// The host's name up to its first dot, as a word of a network; empty: nothing
/// of it can be.
std::string host_word() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0)
    return {};
  std::string word;
  for (const char c : std::string_view{name.data()}) {
    if (c == '.' || word.size() == longest_network_word)
      break;
    if (c >= 'A' && c <= 'Z')
      word += static_cast<char>(c - 'A' + 'a');
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')
      word += c;
    else
      word += '-';
  }
  return word;
}

} // namespace

outcome<std::string> member_name_of(const network_options& options) {
  auto name = options.name.empty() ? host_word() : options.name;
  if (!is_network_word(name))
    return tl::unexpected(
      mistake("'" + printable(name)
              + "' is no name of a member; 1-32 of a-z, 0-9 and - are expected "
                "(--name)"));
  return name;
}

outcome<std::vector<endpoint>>
own_endpoints(const std::vector<std::string>& texts) {
  std::vector<endpoint> all;
  for (const auto& text : texts) {
    const auto where = parse_directory_address(text);
    if (!where)
      return tl::unexpected(
        mistake("'" + printable(text)
                + "' is no endpoint; HOST:PORT is expected, as others reach "
                  "this node"));
    const auto found = resolve_host(where->host, where->port);
    if (!found)
      return tl::unexpected(to_failure(found.error()));
    const auto before = all.size();
    for (const auto& each : *found) {
      if (!check_own_endpoint(each)
          && std::find(all.begin(), all.end(), each) == all.end())
        all.push_back(each);
    }
    if (all.size() == before)
      return tl::unexpected(mistake(
        "'" + printable(text) + "' leads to " + to_string(found->front())
        + ", where nobody else could send to: say an address that others "
          "reach"));
  }
  if (all.size() > most_record_endpoints)
    all.resize(most_record_endpoints);
  return all;
}

outcome<endpoint> tunnel_listen(const network_options& options,
                                const std::vector<endpoint>& endpoints) {
  if (options.listen.empty())
    return endpoint{{ip_family::v6, {}},
                    endpoints.empty() ? usual_port : endpoints.front().port,
                    0};
  const auto port = strings::parse_decimal(options.listen, 65535);
  if (port)
    return endpoint{{ip_family::v6, {}}, static_cast<std::uint16_t>(*port), 0};
  const auto where = parse_endpoint(options.listen);
  if (!where)
    return tl::unexpected(
      mistake("'" + printable(options.listen)
              + "' is nowhere to listen; ADDRESS:PORT or a port is expected"));
  return *where;
}

tls_exporter offline_exporter() {
  return sha256({bytes_of("weft join without a directory 1")});
}

outcome<ask_admission>
offline_admission(const join_keys& keys, const network_id& network,
                  const std::optional<std::string>& name) {
  // No directory is there to look at the proof of the WireGuard key: who issues
  // this sees to it that the request is the node's own.
  system_random random;
  const join_challenge challenge{
    derive_public_key(generate_private_key(random))};
  auto proven = prove(keys, network, name, offline_exporter(), challenge);
  if (!proven)
    return tl::unexpected(
      failure{exit_failure, EIO, "the request cannot be proven; try again"});
  return ask_admission{std::move(*proven), offline_exporter()};
}

outcome<void>
write_node_yaml(const network_place& place, const node_yaml& node) {
  const auto folder = std::filesystem::path{place.config}.parent_path();
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (auto done = make_secret_file(place.config, format_node_yaml(node)); !done)
    return tl::unexpected(to_failure(done.error()));
  return {};
}

outcome<void> start_unit(const std::string& unit) {
  auto done = run_systemctl({"enable", "--now", unit});
  if (done)
    return {};
  return tl::unexpected(failure{
    exit_failure, done.error().code,
    "all was made, but " + unit + " did not start: " + done.error().message
      + ". 'journalctl -u " + unit + "' says why; 'systemctl enable --now "
      + unit + "' tries it again"});
}

outcome<bool> start_node(const network_place& place, bool no_start) {
  if (no_start || !place.is_usual || !systemd_is_there())
    return false;
  if (auto done = start_unit(node_unit(place.interface)); !done)
    return tl::unexpected(std::move(done.error()));
  return true;
}

void say_how_to_start(const network_place& place, const std::string& units,
                      bool started, const streams& io) {
  if (started)
    io.out << "It runs: systemctl status " << node_unit(place.interface)
           << '\n';
  else if (place.is_usual && systemd_is_there())
    io.out << "Start it: systemctl enable --now " << units << '\n';
  else
    io.out << "Start it: weftd --config " << place.config << '\n';
}

std::string addresses_text(const member_contents& member) {
  std::string text;
  for (const auto& each : host_addresses(member.prefixes))
    text += (text.empty() ? "" : ", ") + to_string(each.address);
  return text;
}

nlohmann::ordered_json
to_json(const joined_node& joined, const network_place& place) {
  nlohmann::ordered_json out;
  out["network"] = joined.network.name;
  out["network_id"] = to_string(joined.network.network);
  out["name"] = joined.self.name;
  out["id"] = to_string(joined.self.id);
  auto addresses = nlohmann::ordered_json::array();
  for (const auto& each : host_addresses(joined.self.prefixes))
    addresses.push_back(to_string(each.address));
  out["addresses"] = std::move(addresses);
  auto prefixes = nlohmann::ordered_json::array();
  for (const auto& each : joined.self.prefixes)
    prefixes.push_back(to_string(each));
  out["prefixes"] = std::move(prefixes);
  out["interface"] = place.interface;
  out["config"] = place.config;
  out["certificate_ends"] = joined.ends.time_since_epoch().count();
  return out;
}

void print_json(const nlohmann::ordered_json& what, const streams& io) {
  io.out << to_text(what);
}

} // namespace weft
