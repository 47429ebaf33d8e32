// The threads that an overlay lives on.
#pragma once

#include "actors/overlay/overlay.hpp"

namespace weft {

/// Of so many cores those that relieve the packets' loop of the TUN device:
/// each keeps up with what another three seal, open and send.
std::size_t device_cores(std::size_t cores);

/// What more peers were as values is worth giving back to the system at once.
inline constexpr std::size_t many_peers = 1000;

/// The loops that every overlay has, before anybody lives there.
class prepared_loops {
public:
  /// Starts them all, or none.
  static result<std::shared_ptr<prepared_loops>>
  make(caf::actor_system& system, const loop_sources& sources);
  prepared_loops(const prepared_loops&) = delete;
  prepared_loops& operator=(const prepared_loops&) = delete;
  /// Ends them, unless they were taken.
  ~prepared_loops();

  /// Sets memory aside, on the loops that will allocate it, so that there is
  /// some for so many peers of an earlier process, and not for many more.
  void set_memory_aside(caf::actor_system& system, std::size_t peers);
  /// The same while the earlier process still has its place.  Backs what the
  /// peers take on the packets' loop, and what this thread takes to read them.
  void prepare_for_state(caf::actor_system& system, std::size_t peers);
  /// Has the loops back all that is set aside with memory, while this thread
  /// does something else: whoever lives there later waits for it.
  void back_with_memory();
  /// Nothing was left that would need it.
  void let_go_of_memory() {
    heaps_.clear();
  }
  std::size_t peers() const {
    return peers_;
  }
  bool are_taken() const {
    return control_ == nullptr;
  }
  void give_to(overlay_resources& opened);

private:
  prepared_loops() = default;

  io_loop_ptr control_;
  io_loop_ptr handshake_;
  io_loop_ptr packets_;
  struct {
    heap_preparer_actor packets;
    heap_preparer_actor control;
  } preparers_;           ///< null: there is nothing to prepare yet
  std::size_t peers_ = 0; ///< for whom memory is set aside
  std::vector<prepared_heap_ptr> heaps_; ///< of loops
  prepared_heap_ptr state_heap_;         ///< of the thread that reads the state
};

/// Starts those that help with packets, once the TUN device is open: as many as
/// can be had.
void start_further_loops(caf::actor_system& system,
                         const overlay_options& options,
                         overlay_resources& opened);

} // namespace weft
