// How large packets may be that this host sends somewhere.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "protocol/base/ip.hpp"

#include <cstdint>
#include <map>

namespace weft {

/// What the routing tables say of packets with a mark.
class route_mtu_finder {
public:
  static result<route_mtu_finder> open(std::uint32_t fwmark);

  struct answer {
    int interface_index = 0;
    std::uint32_t mtu = 0; ///< the route's own, else the link's; never what
                           ///< somebody says of a path, which may be forged
  };
  result<answer> find(const ip_address& destination);

private:
  route_mtu_finder() = default;
  result<std::uint32_t> link_mtu(int interface_index);

  file_descriptor fd_;
  std::uint32_t fwmark_ = 0;
  std::map<int, std::uint32_t> links_; ///< that were asked for
};

} // namespace weft
