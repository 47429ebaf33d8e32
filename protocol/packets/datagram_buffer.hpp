// A flat buffer that transport datagrams lie side by side in.
#pragma once

#include "protocol/base/wireguard.hpp"
#include "protocol/packets/congestion_mark.hpp"

#include <algorithm>
#include <cassert>
#include <cstdint>

namespace weft {

/// The length of an inner packet of `length` bytes once padded: the next
/// multiple of 16, but no more than the MTU, as everybody does.  A packet that
/// is larger than the MTU stays as it is.
constexpr std::size_t padded_length(std::size_t length, std::size_t mtu) {
  const auto padded
    = (length + padding_multiple - 1) / padding_multiple * padding_multiple;
  return std::max(length, std::min(padded, mtu));
}

/// One datagram within a buffer: `length` bytes from `offset`, to be sent with
/// a mark.
struct slice {
  std::uint32_t offset = 0;
  std::uint16_t length = 0;
  congestion_mark mark = congestion_mark::not_capable;
};

/// Datagrams side by side in memory that someone else owns.  Each has room for
/// the transport header, the padded packet and the tag.
class datagram_buffer {
public:
  static constexpr std::size_t max_datagrams = 128;

  /// Of a packet: whether it may carry a WireGuard message itself, as in a
  /// tunnel within the tunnel.
  enum class contents : std::uint8_t { may_hold_message, no_message };

  datagram_buffer() = default;
  explicit datagram_buffer(byte_span memory) : memory_(memory) {
  }

  /// Adds a datagram for an inner packet of `length` bytes padded to
  /// `padded` bytes.  Returns where the packet's `length` bytes go; the
  /// padding is zeroed.  Nothing (an empty span) if there is no room.  `what`
  /// is for those who know: it spares packets that hold no message a look.
  byte_span add(std::size_t length, std::size_t padded,
                contents what = contents::may_hold_message,
                congestion_mark mark = congestion_mark::not_capable) {
    assert(length > 0 && length <= padded && padded <= 65535);
    const auto total = padded + transport_overhead;
    if (count_ == max_datagrams || used_ + total > memory_.size()
        || total > 65535)
      return {};
    slices_[count_++] = {static_cast<std::uint32_t>(used_),
                         static_cast<std::uint16_t>(total), mark};
    auto packet = memory_.subspan(used_ + transport_header_size, padded);
    std::memset(packet.data() + length, 0, padded - length);
    used_ += total;
    may_hold_messages_
      = may_hold_messages_ || what == contents::may_hold_message;
    return packet.first(length);
  }

  /// Adds a datagram of `length` bytes that is no transport message yet to be
  /// sealed: a handshake message, or a whole datagram.  Empty if no room.
  byte_span add_message(std::size_t length,
                        congestion_mark mark = congestion_mark::not_capable) {
    if (count_ == max_datagrams || used_ + length > memory_.size()
        || length > 65535)
      return {};
    slices_[count_++] = {static_cast<std::uint32_t>(used_),
                         static_cast<std::uint16_t>(length), mark};
    used_ += length;
    return memory_.subspan(used_ - length, length);
  }

  /// Takes datagram `i` out; its bytes stay behind as a gap.
  void remove(std::size_t i) {
    std::copy(slices_.begin() + static_cast<std::ptrdiff_t>(i) + 1,
              slices_.begin() + static_cast<std::ptrdiff_t>(count_),
              slices_.begin() + static_cast<std::ptrdiff_t>(i));
    --count_;
  }

  void clear() {
    count_ = 0;
    used_ = 0;
    may_hold_messages_ = false;
  }
  /// Whether any packet that was added may carry a WireGuard message.
  bool may_hold_messages() const {
    return may_hold_messages_;
  }
  bool empty() const {
    return count_ == 0;
  }
  std::size_t size() const {
    return count_;
  }
  /// Bytes that the datagrams take, from the start of the memory.
  std::size_t used() const {
    return used_;
  }
  std::span<const slice> slices() const {
    return {slices_.data(), count_};
  }
  /// The whole datagram `i`.
  byte_span operator[](std::size_t i) const {
    return memory_.subspan(slices_[i].offset, slices_[i].length);
  }
  byte_span memory() const {
    return memory_;
  }

private:
  byte_span memory_;
  std::array<slice, max_datagrams> slices_{};
  std::size_t count_ = 0;
  std::size_t used_ = 0;
  bool may_hold_messages_ = false;
};

} // namespace weft
