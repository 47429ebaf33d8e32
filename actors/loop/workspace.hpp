// What the peers of one lane share.  Used on that lane's thread only.
#pragma once

#include "actors/loop/cipher_desk.hpp"
#include "actors/loop/detail_log.hpp"
#include "messages/host_writer.hpp"
#include "protocol/base/token_bucket.hpp"
#include "protocol/tunnel/loop_guard.hpp"
#include "protocol/tunnel/receiver_index.hpp"
#include "protocol/tunnel/session_state.hpp"
#include "protocol/tunnel/staging.hpp"

#include <functional>
#include <memory>

namespace weft {

struct workspace {
  /// Whether datagrams on a path go into a tunnel of this host, if they bear
  /// this mark; nothing: that cannot be found out now.
  using tunnel_probe = std::function<std::optional<bool>(const network_path&,
                                                         std::uint32_t fwmark)>;

  /// Whether the local address of a path, which it has, is still right for such
  /// datagrams.
  using source_probe
    = std::function<bool(const network_path&, std::uint32_t fwmark)>;

  explicit workspace(std::shared_ptr<const receiver_index_codec> codec,
                     tunnel_probe probe = {}, source_probe holds = {})
    : indices(std::move(codec)), source_holds_(std::move(holds)) {
    if (probe)
      leads_into_tunnel = loop_guard::limited(
        [this, probe = std::move(probe)](const network_path& path) {
          return probe(path, fwmark);
        });
  }
  workspace(const workspace&) = delete;
  workspace& operator=(const workspace&) = delete;
  ~workspace() = default;

  /// As the probe says.  The answer takes time: of many who ask at once, some
  /// hear that it does not, and look for another address.
  bool source_holds(const network_path& path, time_point now) {
    return source_holds_ && source_probes_.take(now)
           && source_holds_(path, fwmark);
  }

  std::shared_ptr<const receiver_index_codec> indices;
  staging_budget staging;
  host_outbox for_host;
  /// To endpoints of the network's peers that none of them was heard from.
  token_bucket unproven = unproven_initiations;
  std::uint32_t fwmark = 0; ///< of the lane's sockets; udp_port keeps it right
  loop_guard::probe leads_into_tunnel;
  std::shared_ptr<detail_log> lines; ///< null: none are wanted
  std::shared_ptr<cipher_desk> desk; ///< null: there are no cipher workers
  /// Readers of the device that have their turn at one time, each with as many
  /// batches.
  std::size_t readers = 1;
  /// Outgoing batches that wait for their turn, of all peers and readers.
  std::size_t batches_in_line = 0;
  /// The same of incoming chains.
  std::size_t chains_in_line = 0;

private:
  source_probe source_holds_;
  token_bucket source_probes_{256, std::chrono::milliseconds{10}};
};

using workspace_ptr = std::shared_ptr<workspace>;

} // namespace weft
