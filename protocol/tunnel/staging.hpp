// Packets that wait for a session: those of one peer, and the memory that all
// peers of a loop share for them.
#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/tunnel/drop_reason.hpp"

#include <functional>
#include <vector>

namespace weft {

class staged_packets;

/// The bytes that may wait for all peers together.  Used on one thread, and
/// outlives the peers that share it.
class staging_budget {
public:
  static constexpr std::size_t default_bytes = std::size_t{16} << 20;

  explicit staging_budget(std::size_t bytes = default_bytes) : limit_(bytes) {
  }
  staging_budget(const staging_budget&) = delete;
  staging_budget& operator=(const staging_budget&) = delete;

  std::size_t used() const {
    return used_;
  }

private:
  friend class staged_packets;

  bool has_room(std::size_t bytes) const {
    return limit_ - used_ >= bytes;
  }
  /// Cuts those that hold more than `share` until there is room.
  void make_room(std::size_t bytes, std::size_t share);
  void enter(staged_packets& peer);
  void leave(const staged_packets& peer);

  std::size_t limit_;
  std::size_t used_ = 0;
  std::vector<staged_packets*> waiting_; ///< those that have packets
  std::size_t next_ = 0;                 ///< which of them to look at first
};

/// The packets of one peer that wait, oldest first.  They are bounded, by
/// themselves and by the budget: those that have no room are dropped and
/// counted as `queue_full`, the oldest first.
class staged_packets {
public:
  static constexpr std::size_t max_packets = 128;
  static constexpr std::size_t max_bytes = std::size_t{256} * 1024;
  /// What the budget counts for a packet beside its bytes.
  static constexpr std::size_t overhead = 96;

  /// Without a budget (null) the peer's own bounds are the only ones.
  staged_packets(drop_counters& drops, staging_budget* budget)
    : drops_(drops), budget_(budget) {
  }
  staged_packets(const staged_packets&) = delete;
  staged_packets& operator=(const staged_packets&) = delete;
  ~staged_packets() {
    remove_oldest(size());
  }

  bool empty() const {
    return size() == 0;
  }
  std::size_t size() const {
    return packets_.size() - first_;
  }
  /// Places in memory, also of those that have left.
  std::size_t room_taken() const {
    return packets_.size();
  }
  /// Of the packets alone.
  std::size_t bytes() const {
    return bytes_;
  }
  const_byte_span operator[](std::size_t i) const {
    return packets_[first_ + i];
  }

  /// Copies `packet` to the end.
  void add(const_byte_span packet);
  /// Takes out what was sent.
  void remove_oldest(std::size_t count);
  void drop_all(drop_reason reason);
  /// Drops and counts those that `keep` does not hold on to.
  void keep_only(const std::function<bool(const_byte_span)>& keep,
                 drop_reason reason);

private:
  friend class staging_budget;

  std::size_t cost() const {
    return bytes_ + size() * overhead;
  }
  bool find_room(std::size_t price);
  void drop_oldest(std::size_t count);
  /// Drops the oldest until the others cost no more than `most`.
  void shrink_to(std::size_t most);

  drop_counters& drops_;
  staging_budget* budget_;
  std::vector<std::vector<std::byte>> packets_;
  std::size_t first_ = 0; ///< those in front of it have left
  std::size_t bytes_ = 0;
  std::size_t place_ = 0; ///< in the budget's list, while there are packets
};

} // namespace weft
