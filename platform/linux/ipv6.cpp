#include "platform/ipv6.hpp"

#include <fstream>

namespace weft {

bool has_ipv6(const std::string& interface) {
  std::ifstream switched{"/proc/sys/net/ipv6/conf/"
                         + interface + "/disable_ipv6"};
  int off = 1;
  return switched >> off && off == 0;
}

} // namespace weft
