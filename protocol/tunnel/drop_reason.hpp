// Why a packet or a message was dropped.  Each reason is counted, and the
// counts are part of the status.
#pragma once

#include "protocol/base/ip.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace weft {

/// The rows of drop_rows() say what each means.
enum class drop_reason : std::uint8_t {
  malformed_packet,
  no_route,
  routing_loop,
  no_endpoint,
  queue_full,
  handshake_failed,
  send_failed,
  send_overload,
  malformed_message,
  invalid_mac,
  rate_limited,
  cookie_sent,
  handshake_overload,
  unknown_peer,
  invalid_handshake,
  replayed_handshake,
  unknown_index,
  expired_session,
  invalid_tag,
  replayed,
  malformed_inner,
  wrong_source,
  oversized,
  device_busy,
  device_rejected,
  overload,
  congested,
  worker_failed,
};

inline constexpr std::size_t drop_reason_count
  = static_cast<std::size_t>(drop_reason::worker_failed) + 1;

/// Where what is dropped comes from.
enum class drop_side : std::uint8_t {
  host,    ///< a packet of this host, on its way to a peer
  network, ///< a datagram from the network, or the packet in it
};

/// What is to be known of a reason.
struct drop_row {
  drop_reason reason{};
  std::string_view name; ///< as in the enumeration
  drop_side side{};
  std::string_view meaning;
  std::string_view remedy; ///< what to do, in a sentence
};

/// One for each reason, in their order.
std::span<const drop_row, drop_reason_count> drop_rows();

/// The row's name.
std::string_view to_string(drop_reason reason);

/// What is at hand of something that is dropped, for whoever watches drops:
/// nothing is looked up or formatted for it.  It holds while it is counted.
struct drop_context {
  const_byte_span bytes{};          ///< inner packet or datagram
  const endpoint* remote = nullptr; ///< where it came from, or was to go
};

/// Sees each drop while it is counted.
class drop_watcher {
public:
  virtual void dropped(drop_reason reason, std::uint64_t packets,
                       const drop_context& context)
    = 0;

protected:
  ~drop_watcher() = default;
};

/// A count for each reason.  A copy has the counts, and nobody watches it.
class drop_counters {
public:
  drop_counters() = default;
  drop_counters(const drop_counters& other) : counts_(other.counts_) {
  }
  // NOLINTNEXTLINE(*-self-assignment,cert-oop54-cpp): it changes nothing then
  drop_counters& operator=(const drop_counters& other) {
    counts_ = other.counts_;
    return *this;
  }
  ~drop_counters() = default;

  /// Null: nobody.  The watcher must outlive the counters.
  void watched_by(drop_watcher* watcher) {
    watcher_ = watcher;
  }
  /// `packets` of them, of which `context` shows one.
  void dropped(drop_reason reason, std::uint64_t packets = 1,
               const drop_context& context = {}) {
    counts_[static_cast<std::size_t>(reason)] += packets;
    if (watcher_ != nullptr)
      watcher_->dropped(reason, packets, context);
  }
  void add(const drop_counters& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i)
      counts_[i] += other.counts_[i];
  }
  std::uint64_t operator[](drop_reason reason) const {
    return counts_[static_cast<std::size_t>(reason)];
  }

private:
  std::array<std::uint64_t, drop_reason_count> counts_{};
  drop_watcher* watcher_ = nullptr;
};

} // namespace weft
