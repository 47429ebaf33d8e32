#include "config/yaml.hpp"
#include "protocol/base/wipe.hpp"

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

void write_interface(std::string& out, const interface_config& interface) {
  out
    += "interface:\n  name: " + in_quotes(interface.name) + "\n  private_key: ";
  append_secret(out, to_base64(interface.private_key.bytes()));
  out += "\n  listen: " + in_quotes(to_string(interface.listen))
         + "\n  addresses: " + list_of(interface.addresses)
         + "\n  cluster_networks: " + list_of(interface.cluster_networks)
         + "\n  mtu: " + std::to_string(interface.mtu)
         + "\n  fwmark: " + std::to_string(interface.fwmark)
         + "\n  socket_folder: " + in_quotes(interface.socket_folder) + "\n";
}

void write_peer(std::string& out, const peer_config& peer) {
  out += "  - public_key: " + to_string(peer.public_key) + "\n";
  if (!peer.name.empty())
    out += "    name: " + in_quotes(peer.name) + "\n";
  if (!peer.preshared_key.is_zero()) {
    out += "    preshared_key: ";
    append_secret(out, to_base64(peer.preshared_key.bytes()));
    out += "\n";
  }
  if (peer.endpoint)
    out += "    endpoint: " + in_quotes(to_string(*peer.endpoint)) + "\n";
  if (!peer.allowed_ips.empty())
    out += "    allowed_ips: " + list_of(peer.allowed_ips) + "\n";
  if (peer.persistent_keepalive.count() != 0)
    out += "    persistent_keepalive: "
           + std::to_string(peer.persistent_keepalive.count()) + "s\n";
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
  return out;
}

} // namespace weft
