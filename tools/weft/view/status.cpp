#include "tools/weft/view/status.hpp"

#include "platform/clock.hpp"
#include "tools/weft/commands/lock_commands.hpp"
#include "tools/weft/view/status_text.hpp"

#include <ostream>
#include <set>

namespace weft {

namespace {

void print(std::vector<device_status>& devices, const status_options& options,
           const streams& io) {
  for (auto& device : devices)
    sort_peers(device);
  if (options.json) {
    io.out << format_json(devices);
    return;
  }
  const table_options table{options.verbose, width_for(io.columns)};
  const auto* separator = "";
  for (const auto& device : devices) {
    io.out << separator << format_table(device, wall_now(), table);
    separator = "\n";
  }
}

/// Those that are meant: the one that has a name, or all.
outcome<std::vector<local_node>> find_nodes(const status_options& options) {
  if (options.interface.empty())
    return list_local_nodes(options.socket_folder);
  return find_local_node(options.interface, options.socket_folder)
    .map([](local_node&& node) { return std::vector{std::move(node)}; });
}

} // namespace

int show_status(const status_options& options, const status_query& ask,
                const streams& io) {
  const auto nodes = find_nodes(options);
  if (!nodes)
    return report(nodes.error(), options.json, io);
  if (nodes->empty())
    io.err << "weft: no interfaces: there are no sockets in "
           << options.socket_folder << '\n';
  std::vector<std::string> answering;
  std::vector<device_status> devices;
  std::set<int> codes; ///< why some could not be shown
  for (const auto& node : *nodes) {
    auto device = ask(node);
    if (device) {
      devices.push_back(std::move(*device));
      answering.push_back(node.interface);
    } else {
      codes.insert(report(device.error(), options.json, io));
    }
  }
  warn_of_locks(answering, options.interface, io);
  print(devices, options, io);
  if (codes.empty())
    return exit_fine;
  return codes.size() == 1 ? *codes.begin() : exit_failure;
}

int show_remote_status(const remote_node& node, const status_options& options,
                       const status_query& ask, const streams& io) {
  auto status = ask(node_place{node});
  if (!status)
    return report(status.error(), options.json, io);
  std::vector<device_status> devices;
  devices.push_back(std::move(*status));
  print(devices, options, io);
  return exit_fine;
}

} // namespace weft
