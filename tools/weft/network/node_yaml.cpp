#include "tools/weft/network/node_yaml.hpp"

#include "config/yaml_values.hpp"
#include "protocol/network/ranges.hpp"

#include <filesystem>

namespace weft {

namespace {

template <class List>
std::string list_of(const List& values) {
  std::vector<std::string> texts;
  texts.reserve(values.size());
  for (const auto& each : values)
    texts.emplace_back(to_string(each));
  return yaml_list(texts);
}

std::string absolute(const std::string& path) {
  return yaml_quoted(std::filesystem::absolute(path).string());
}

std::string interface_section(const node_yaml& node) {
  return "interface:\n  name: " + yaml_quoted(node.interface)
         + "\n  private_key_file: " + absolute(node.folder.wireguard_key())
         + "\n  listen: " + yaml_quoted(to_string(node.listen))
         + "\n  # Of the prefixes that this node owns, whose first address it "
           "takes:\n  # "
         + list_of(node.who.self.prefixes)
         + "\n  addresses: " + yaml_list(host_addresses(node.who.self.prefixes))
         + "\n  # All that members of the network may own.\n"
           "  cluster_networks: "
         + yaml_list(node.who.network.ranges) + "\n  mtu: auto\n";
}

std::string network_section(const node_yaml& node) {
  auto text
    = "# The other members become peers by themselves.  Peers of this node's "
      "own may\n# stand in a section `peers` beside them.\nnetwork:\n  name: "
      + yaml_quoted(node.who.network.name)
      + "\n  root: " + absolute(node.folder.root())
      + "\n  # Renewed by itself, as long as a directory and the issuer are "
        "reached.\n  certificate: "
      + absolute(node.folder.member())
      + "\n  key: " + absolute(node.folder.member_key())
      + "\n  # Where changes are told; tried in turn.\n  directories: "
      + list_of(node.network.directories) + '\n';
  if (node.network.endpoints.empty())
    text += "  # Where others reach this node, if it has a fixed address:\n"
            "  #endpoints: [\"192.0.2.7:51820\"]\n";
  else
    text += "  # Where others reach this node.\n  endpoints: "
            + list_of(node.network.endpoints) + '\n';
  return text
         + "  # Which of its addresses others get to see: those above, those "
           "of its\n  # interfaces, what a directory sees its packets come "
           "from.\n  publish: [file, link, seen]\n";
}

std::string directory_section(const directory_config& directory) {
  return "# This node is a directory: it tells members what changes, and lets "
         "others join.\ndirectory:\n  listen: "
         + yaml_quoted(to_string(directory.listen.value_or(endpoint{})))
         + "\n  # `{etcd: [URL, ...]}` lets several directories share it: "
           "docs/network.md.\n  store: {file: "
         + absolute(directory.store.file)
         + "}\n  certificate: " + absolute(directory.certificate)
         + "\n  key: " + absolute(directory.key)
         + "\n  # Who signs certificates: the socket of weft-issuer, or its "
           "folder, and\n  # then weftd runs it.\n  issuer: "
         + absolute(directory.issuer) + '\n';
}

} // namespace

std::string format_node_yaml(const node_yaml& node) {
  auto text = "# The node '" + node.who.self.name + "' of the network '"
              + node.who.network.name
              + "', written by weft network.  Everything may be\n# changed "
                "here; docs/configuration.md has all keys.\n\n"
              + interface_section(node) + '\n' + network_section(node);
  if (node.directory)
    text += '\n' + directory_section(*node.directory);
  return text + "\nlog:\n  level: info\n";
}

} // namespace weft
