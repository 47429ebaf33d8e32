#include "tools/weft/places/own_marks.hpp"

#include "tools/weft/places/connection.hpp"
#include "tools/weft/places/requests.hpp"

namespace weft {

std::optional<packet_marks> marks_of_running(const node_config& config) {
  constexpr std::chrono::seconds patience{5};
  connection_options where;
  where.interface = config.interface.name;
  where.socket_folder = config.control.socket_folder;
  where.timeout = patience;
  const auto place = find_node(where);
  if (!place)
    return std::nullopt;
  connections all;
  const auto status = ask_status(all.prepare(*place, where));
  if (!status)
    return std::nullopt;
  return packet_marks{status->fwmark, status->listen_port};
}

} // namespace weft
