// What the packet actors of one I/O loop share: scratch space and the way into
// the TUN device.  Used on that loop's thread only.
#pragma once

#include "messages/batches.hpp"
#include "platform/tun_device.hpp"
#include "protocol/coalescer.hpp"
#include "protocol/random.hpp"
#include "protocol/receiver_index.hpp"

#include <memory>

namespace weft {

struct workspace {
  workspace(std::shared_ptr<const tun_device> device,
            std::shared_ptr<const receiver_index_codec> codec)
    : tun(std::move(device)),
      indices(std::move(codec)),
      joiner({tun->has_tcp_offload(), tun->has_udp_offload()}) {
  }

  std::shared_ptr<const tun_device> tun;
  std::shared_ptr<const receiver_index_codec> indices;
  system_random random;
  coalescer joiner;
};

using workspace_ptr = std::shared_ptr<workspace>;

} // namespace weft
