// From a packet of the host to its peer's batch: what the TUN reader and the
// packet port share.  No actor itself; used on one thread.
#pragma once

#include "actors/packets/fair_share.hpp"
#include "messages/routes.hpp"
#include "messages/shared.hpp"
#include "protocol/packets/offload.hpp"
#include "protocol/tunnel/replay_window.hpp"

#include <algorithm>
#include <functional>
#include <limits>

namespace weft {

class packet_router {
public:
  /// Batches on their way to the network.
  static constexpr std::size_t pool_size = 16;
  /// The same for each of several routers of one lane.
  static constexpr std::size_t pool_size_of(std::size_t routers) {
    return routers <= 1 ? pool_size : std::max<std::size_t>(24 / routers, 3);
  }
  static constexpr std::size_t most_routers = 8;

  /// `mtu` bounds the padding.  `nobody` is told of packets that no peer takes;
  /// it may be null.
  explicit packet_router(std::uint32_t mtu,
                         std::function<void(const_byte_span)> nobody = nullptr,
                         std::size_t batches = pool_size);

  /// Called, on any thread, when there is room after there was none.
  void on_room(std::function<void()> wake) {
    pool_->on_available(std::move(wake));
  }
  void set_routes(routes_ptr snapshot) {
    routes_ = std::move(snapshot);
    last_route_.reset();
  }
  void set_mtu(std::uint32_t mtu) {
    mtu_ = mtu;
  }
  std::uint32_t mtu() const {
    return mtu_;
  }
  drop_counters& drops() {
    return drops_;
  }
  drop_report report() const {
    return {drops_, use_of(*pool_, "outgoing"), 0};
  }

  /// To be called before each run of route() calls that flush() ends.
  void begin_pass() {
    share_.begin_pass();
    thinning_ = false;
  }
  /// Whether several peers had packets lately.
  bool is_contended() const {
    return share_.is_contended();
  }
  /// For the rest of the pass, peers that had their share of it lose packets,
  /// but no super-packets of TCP.
  void thin_out() {
    thinning_ = true;
  }

  /// Whether route() may be called.  The pool is the flow control: as long as
  /// all batches are under way, the next packet has to wait.
  bool has_room() {
    return spare_ || (spare_ = pool_->acquire());
  }

  /// Packets that may be routed once has_room() has said so, until it is asked
  /// again: where peers take turns, each may need a batch of its own.
  std::size_t room() const {
    return is_contended() ? 1 + pool_->left()
                          : std::numeric_limits<std::size_t>::max();
  }

  /// Puts the packet, or the segments of a super-packet, into the batch of the
  /// peer whose allowed IPs hold its destination, each where it will be
  /// sealed.  Full batches are sent.  False: it was dropped and counted.
  bool route(const offload_header& header, byte_span packet);

  /// Sends all batches that were begun.
  void flush();

  /// Lets go of everything; to be called when the owner ends.
  void clear();

private:
  /// A batch that is being filled for one peer.
  struct open_batch {
    std::uint32_t slot = 0;
    outgoing_ptr batch;
  };

  bool drop(drop_reason reason, const_byte_span packet);
  std::optional<std::uint32_t> find_slot(const ip_address& destination);
  outgoing_ptr& batch_for(std::uint32_t slot);
  void send(open_batch& open);

  std::uint32_t mtu_;
  std::function<void(const_byte_span)> nobody_;
  std::shared_ptr<outgoing_pool> pool_;
  outgoing_ptr spare_; ///< so that a packet that was taken has a place
  std::array<open_batch, 4> open_;
  std::size_t next_victim_ = 0;
  routes_ptr routes_;
  std::optional<std::pair<ip_address, std::uint32_t>> last_route_;
  fair_share share_;
  bool thinning_ = false;
  drop_counters drops_;
};

// While batches wait for their turn, what has a later counter may overtake
// them.
static_assert(packet_router::pool_size * datagram_buffer::max_datagrams
                <= replay_window::width / 2
              && packet_router::most_routers
                     * packet_router::pool_size_of(packet_router::most_routers)
                     * datagram_buffer::max_datagrams
                   <= replay_window::width / 2);

} // namespace weft
