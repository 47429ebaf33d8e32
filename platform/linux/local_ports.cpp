#include "platform/local_ports.hpp"

#include <fstream>

namespace weft {

std::uint16_t first_local_port() {
  constexpr std::uint16_t first_open_port = 1024;
  std::ifstream range{"/proc/sys/net/ipv4/ip_local_port_range"};
  std::uint16_t first = 0;
  return range >> first && first > 0 ? first : first_open_port;
}

} // namespace weft
