#include "platform/clock.hpp"
#include "tools/weft/commands.hpp"
#include "tools/weft/status_text.hpp"
#include "tools/weft/uapi_client.hpp"

#include <ostream>

namespace weft {

int show_status(const status_options& options, const streams& io) {
  std::vector<std::string> names{options.interface};
  if (options.interface.empty()) {
    auto all = list_interfaces(options.socket_folder);
    if (!all) {
      io.err << "weft: " << all.error().message << '\n';
      return exit_failure;
    }
    names = std::move(*all);
    if (names.empty())
      io.err << "weft: no interfaces: there are no sockets in "
             << options.socket_folder << '\n';
  } else if (const auto mistake = check_interface_name(options.interface)) {
    io.err << "weft: " << *mistake << '\n';
    return exit_mistaken;
  }
  std::vector<device_status> devices;
  auto code = exit_fine;
  for (const auto& name : names) {
    auto status = query_interface(options.socket_folder, name);
    if (status) {
      sort_peers(*status);
      devices.push_back(std::move(*status));
    } else {
      io.err << "weft: " << status.error().message << '\n';
      code = exit_failure;
    }
  }
  if (options.json) {
    io.out << format_json(devices);
    return code;
  }
  for (std::size_t i = 0; i < devices.size(); ++i)
    io.out << (i == 0 ? "" : "\n") << format_table(devices[i], wall_now());
  return code;
}

} // namespace weft
