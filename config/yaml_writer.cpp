#include "config/yaml.hpp"
#include "config/yaml_values.hpp"
#include "protocol/base/wipe.hpp"

#include <utility>

namespace weft {

namespace {

/// As YAML reads it again.
template <class Section, class Value>
void write_value(std::string& out, const field<Section, Value>& row,
                 const Value& value) {
  if constexpr (is_secret_key<Value>)
    append_secret(out, row.print(value));
  else
    out += yaml_value(row, value);
}

void write_interface(std::string& out, const interface_config& interface) {
  out += "interface:\n";
  for_each_field<interface_config>([&](const auto& row, auto) {
    if constexpr (is_secret_key<value_of<decltype(row)>>) {
      if ((interface.*row.member).is_zero())
        return; // of a node that keeps its own
    }
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
      out += std::string{"  "} + key + ": " + yaml_quoted(value) + "\n";
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
    out += "    " + yaml_quoted(name) + ": " + std::string{to_string(role)}
           + "\n";
}

void write_metrics(std::string& out, const metrics_config& metrics) {
  out += "metrics:\n";
  if (metrics.listen)
    out += "  listen: " + yaml_quoted(to_string(*metrics.listen)) + "\n";
  if (!metrics.socket.empty())
    out += "  socket: " + yaml_quoted(metrics.socket) + "\n";
  if (metrics.peers != metrics_config{}.peers)
    out += std::string{"  peers: "} + (metrics.peers ? "true" : "false") + "\n";
}

void write_offloads(std::string& out, const offload_config& offloads) {
  out += "offloads:\n";
  for (const auto& key : all_offloads)
    out += "  " + std::string{key.name} + ": "
           + std::string{to_string(offloads.*key.mode)} + "\n";
}

/// Keys with texts, and those with lists of values that can be printed.
class section_writer {
public:
  section_writer(std::string& out, std::string indent)
    : out_(out), indent_(std::move(indent)) {
  }

  void line(std::string_view key, const std::string& value) {
    out_ += indent_ + std::string{key} + ": " + value + "\n";
  }
  void text(std::string_view key, const std::string& value) {
    if (!value.empty())
      line(key, yaml_quoted(value));
  }
  template <class List>
  void list(std::string_view key, const List& values) {
    std::vector<std::string> texts;
    texts.reserve(values.size());
    for (const auto& each : values)
      texts.emplace_back(to_string(each));
    line(key, yaml_list(texts));
  }

private:
  std::string& out_;
  std::string indent_;
};

void write_network(std::string& out, const network_config& network) {
  out += "network:\n";
  section_writer to{out, "  "};
  to.text("name", network.name);
  to.text("root", network.root);
  to.text("certificate", network.certificate);
  to.text("key", network.key);
  to.list("directories", network.directories);
  if (!network.endpoints.empty())
    to.list("endpoints", network.endpoints);
  if (network.publish != network_config{}.publish)
    to.list("publish", network.publish);
  if (!network.accept_prefixes.empty())
    to.line("accept_prefixes", yaml_list(network.accept_prefixes));
  if (network.relay)
    to.line("relay", "true");
}

void write_directory(std::string& out, const directory_config& directory) {
  out += "directory:\n  store:\n";
  section_writer store{out, "    "};
  store.text("file", directory.store.file);
  if (!directory.store.etcd.empty())
    store.line("etcd", yaml_list(directory.store.etcd));
  store.text("user", directory.store.user);
  store.text("password_file", directory.store.password_file);
  store.text("authority", directory.store.authority);
  section_writer to{out, "  "};
  if (directory.listen)
    to.text("listen", to_string(*directory.listen));
  to.text("certificate", directory.certificate);
  to.text("key", directory.key);
  to.text("issuer", directory.issuer);
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
  if (config.offloads != offload_config{})
    write_offloads(out, config.offloads);
  if (config.network != network_config{})
    write_network(out, config.network);
  if (config.directory != directory_config{})
    write_directory(out, config.directory);
  return out;
}

} // namespace weft
