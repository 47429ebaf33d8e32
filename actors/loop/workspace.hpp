// What the peers of one I/O loop share: scratch space, and the way to the host.
// Used on that loop's thread only.
#pragma once

#include "platform/tun_device.hpp"
#include "protocol/base/random.hpp"
#include "protocol/packets/coalescer.hpp"
#include "protocol/tunnel/loop_guard.hpp"
#include "protocol/tunnel/receiver_index.hpp"
#include "protocol/tunnel/staging.hpp"

#include <functional>
#include <memory>

namespace weft {

/// Takes packets for the host: a TUN device, or what stands in for one.
struct packet_sink {
  coalescer::offloads offloads;
  std::function<tun_device::io_status(const super_packet&)> write;
};

/// The sink that writes to `tun`.
inline packet_sink sink_into(std::shared_ptr<const tun_device> tun) {
  return {{tun->has_tcp_offload(), tun->has_udp_offload()},
          [tun](const super_packet& packet) {
            return tun->write(packet.header, packet.fragments);
          }};
}

struct workspace {
  /// Whether datagrams on a path go into a tunnel of this host, if they bear
  /// this mark; nothing: that cannot be found out now.
  using tunnel_probe = std::function<std::optional<bool>(const network_path&,
                                                         std::uint32_t fwmark)>;

  workspace(packet_sink to_host,
            std::shared_ptr<const receiver_index_codec> codec,
            tunnel_probe probe = {})
    : sink(std::move(to_host)), indices(std::move(codec)),
      joiner(sink.offloads) {
    if (probe)
      leads_into_tunnel = loop_guard::limited(
        [this, probe = std::move(probe)](const network_path& path) {
          return probe(path, fwmark);
        });
  }
  workspace(const workspace&) = delete;
  workspace& operator=(const workspace&) = delete;
  ~workspace() = default;

  packet_sink sink;
  std::shared_ptr<const receiver_index_codec> indices;
  system_random random;
  coalescer joiner;
  staging_budget staging;
  std::uint32_t fwmark = 0; ///< of the lane's sockets; udp_port keeps it right
  loop_guard::probe leads_into_tunnel;
};

using workspace_ptr = std::shared_ptr<workspace>;

} // namespace weft
