// What the peers of one lane share.  Used on that lane's thread only.
#pragma once

#include "actors/loop/detail_log.hpp"
#include "messages/host_writer.hpp"
#include "protocol/tunnel/loop_guard.hpp"
#include "protocol/tunnel/receiver_index.hpp"
#include "protocol/tunnel/staging.hpp"

#include <functional>
#include <memory>

namespace weft {

struct workspace {
  /// Whether datagrams on a path go into a tunnel of this host, if they bear
  /// this mark; nothing: that cannot be found out now.
  using tunnel_probe = std::function<std::optional<bool>(const network_path&,
                                                         std::uint32_t fwmark)>;

  explicit workspace(std::shared_ptr<const receiver_index_codec> codec,
                     tunnel_probe probe = {})
    : indices(std::move(codec)) {
    if (probe)
      leads_into_tunnel = loop_guard::limited(
        [this, probe = std::move(probe)](const network_path& path) {
          return probe(path, fwmark);
        });
  }
  workspace(const workspace&) = delete;
  workspace& operator=(const workspace&) = delete;
  ~workspace() = default;

  std::shared_ptr<const receiver_index_codec> indices;
  staging_budget staging;
  host_outbox for_host;
  std::uint32_t fwmark = 0; ///< of the lane's sockets; udp_port keeps it right
  loop_guard::probe leads_into_tunnel;
  std::shared_ptr<detail_log> lines; ///< null: none are wanted
};

using workspace_ptr = std::shared_ptr<workspace>;

} // namespace weft
