#include "config/fields.hpp"
#include "config/yaml.hpp"
#include "protocol/base/wipe.hpp"

#include <utility>

namespace weft {

namespace {

/// In double quotes (YAML 1.2 section 7.3.1).
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      out += '\\';
    out += c;
  }
  return out + '"';
}

std::string list_of(const std::vector<ip_prefix>& prefixes) {
  std::string out;
  for (const auto& prefix : prefixes)
    out += (out.empty() ? "[" : ", ") + in_quotes(to_string(prefix));
  return out.empty() ? "[]" : out + "]";
}

/// As YAML reads it again.
template <class Section, class Value>
void write_value(std::string& out, const field<Section, Value>& row,
                 const Value& value) {
  constexpr bool is_plain
    = std::is_same_v<
        Value,
        public_key> || std::is_same_v<Value, std::uint32_t> || std::is_same_v<Value, std::chrono::seconds>;
  if constexpr (std::is_same_v<Value, prefix_list>)
    out += list_of(value);
  else if (!row.file_name.empty())
    append_secret(out, row.print(value));
  else if constexpr (is_plain)
    out += row.print(value) + std::string{row.unit};
  else
    out += in_quotes(row.print(value));
}

void write_interface(std::string& out, const interface_config& interface) {
  out += "interface:\n";
  for_each_field<interface_config>([&](const auto& row, auto) {
    out += "  " + std::string{row.name} + ": ";
    write_value(out, row, interface.*row.member);
    out += '\n';
  });
}

/// Whatever is not as in a new one.
void write_peer(std::string& out, const peer_config& peer) {
  const auto* indent = "  - ";
  for_each_field<peer_config>([&](const auto& row, auto) {
    const auto& value = peer.*row.member;
    if (value == peer_config{}.*row.member)
      return;
    out += std::exchange(indent, "    ") + std::string{row.name} + ": ";
    write_value(out, row, value);
    out += '\n';
  });
}

void write_control(std::string& out, const control_config& control) {
  const auto write = [&](const char* key, const std::string& value) {
    if (!value.empty())
      out += std::string{"  "} + key + ": " + in_quotes(value) + "\n";
  };
  out += "control:\n";
  write("socket_folder", control.socket_folder);
  write("group", control.group);
  write("listen", control.listen ? to_string(*control.listen) : "");
  write("certificate", control.certificate);
  write("key", control.key);
  write("ca", control.ca);
  write("revocations", control.revocations);
  if (!control.roles.empty())
    out += "  roles:\n";
  for (const auto& [name, role] : control.roles)
    out
      += "    " + in_quotes(name) + ": " + std::string{to_string(role)} + "\n";
}

void write_metrics(std::string& out, const metrics_config& metrics) {
  out += "metrics:\n";
  if (metrics.listen)
    out += "  listen: " + in_quotes(to_string(*metrics.listen)) + "\n";
  if (!metrics.socket.empty())
    out += "  socket: " + in_quotes(metrics.socket) + "\n";
  if (metrics.peers != metrics_config{}.peers)
    out += std::string{"  peers: "} + (metrics.peers ? "true" : "false") + "\n";
}

} // namespace

std::string format_yaml(const node_config& config) {
  std::string out;
  auto room = 2048
              + 64
                  * (config.interface.addresses.size()
                     + config.interface.cluster_networks.size());
  for (const auto& peer : config.peers)
    room += 768 + 64 * peer.allowed_ips.size();
  out.reserve(room); // growing would leave copies of keys behind
  write_interface(out, config.interface);
  if (!config.peers.empty())
    out += "peers:\n";
  for (const auto& peer : config.peers)
    write_peer(out, peer);
  out += "log:\n  level: " + std::string{to_string(config.log.level)}
         + "\n  format: " + std::string{to_string(config.log.format)} + "\n";
  if (config.control != control_config{})
    write_control(out, config.control);
  if (config.reload != reload_mode{})
    out += "reload: " + std::string{to_string(config.reload)} + "\n";
  if (config.metrics != metrics_config{})
    write_metrics(out, config.metrics);
  return out;
}

} // namespace weft
