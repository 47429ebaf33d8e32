#include "tools/weft/view/status.hpp"

#include "platform/clock.hpp"
#include "tools/weft/places/uapi_client.hpp"
#include "tools/weft/view/status_text.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <ostream>

namespace weft {

namespace {

/// Here ENOENT means that there is no such interface.
failure no_interface(const system_error& error) {
  auto why = to_failure(error);
  if (error.code == ENOENT || error.code == ENOTDIR)
    why.exit = exit_unreachable;
  return why;
}

/// All that have a socket of either kind, sorted.
outcome<std::vector<std::string>> find_names(const status_options& options) {
  auto names = list_interfaces(options.socket_folder);
  const auto others = list_interfaces(options.control_folder);
  if (!names && (!others || others->empty()))
    return tl::unexpected(to_failure(names.error()));
  auto all = names ? std::move(*names) : std::vector<std::string>{};
  if (others)
    all.insert(all.end(), others->begin(), others->end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

outcome<shown_device>
query(const std::string& name, const status_options& options,
      const control_query& ask) {
  const local_node node{name, options.control_folder + '/' + name + ".sock"};
  std::error_code ignored;
  const bool has_control = std::filesystem::exists(node.socket, ignored);
  const auto ask_control = [&] {
    return ask(node_place{node}).map([](device_status&& status) {
      return shown_device{std::move(status), true};
    });
  };
  // In one folder the socket may be of either kind; who serves wg(8)'s answers
  // something else at once, and who serves ours waits for its own greeting.
  const bool either = options.control_folder == options.socket_folder;
  if ((options.verbose || either) && has_control) {
    if (auto told = ask_control())
      return told;
  }
  auto status = query_interface(options.socket_folder, name);
  if (status)
    return shown_device{std::move(*status), false};
  if (has_control)
    return ask_control();
  return tl::unexpected(no_interface(status.error()));
}

void print(std::vector<shown_device>& devices, const status_options& options,
           const streams& io) {
  for (auto& device : devices)
    sort_peers(device.status);
  if (options.json) {
    io.out << format_json(devices);
    return;
  }
  const auto* separator = "";
  for (const auto& device : devices) {
    io.out << separator
           << format_table(device.status, wall_now(), options.verbose);
    separator = "\n";
  }
}

} // namespace

int show_status(const status_options& options, const control_query& ask,
                const streams& io) {
  std::vector<std::string> names{options.interface};
  if (options.interface.empty()) {
    auto all = find_names(options);
    if (!all)
      return report(all.error(), options.json, io);
    names = std::move(*all);
    if (names.empty())
      io.err << "weft: no interfaces: there are no sockets in "
             << options.socket_folder << " or " << options.control_folder
             << '\n';
  } else if (auto wrong = check_interface_name(options.interface)) {
    return report(mistake(std::move(*wrong), "interface"), options.json, io);
  }
  std::vector<shown_device> devices;
  auto code = exit_fine;
  for (const auto& name : names) {
    auto device = query(name, options, ask);
    if (device) {
      devices.push_back(std::move(*device));
    } else {
      code = report(device.error(), options.json, io);
      if (options.interface.empty())
        code = exit_failure;
    }
  }
  print(devices, options, io);
  return code;
}

int show_remote_status(const remote_node& node, const status_options& options,
                       const control_query& ask, const streams& io) {
  auto status = ask(node_place{node});
  if (!status)
    return report(status.error(), options.json, io);
  std::vector<shown_device> devices;
  devices.push_back({std::move(*status), true});
  print(devices, options, io);
  return exit_fine;
}

} // namespace weft
