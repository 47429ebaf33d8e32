// Threads that read and write the TUN device in place of a lane's loop, while
// that is at its end.
#pragma once

#include "actors/loop/cipher_desk.hpp"
#include "actors/loop/io_loop.hpp"
#include "actors/loop/loop_load.hpp"
#include "messages/host_writer.hpp"
#include "messages/tun_reader.hpp"

#include <memory>
#include <vector>

namespace weft {

/// Reading, routing and splitting on one side, joining and writing on the other
/// are what can leave the loop without a session.  What is handed from thread
/// to thread keeps its order: a reader gives its turn to the other one of its
/// queue when all that it has read is with the peers, and a writer that is
/// helped writes again when its helpers have nothing left.  Of the lane's
/// thread.
class device_relief {
public:
  /// How often it is to be asked while it is on, also without traffic.
  static constexpr duration look_again = std::chrono::milliseconds{20};

  /// Two readers of one queue.
  struct queue {
    queue_reader_actor own;    ///< on the lane's loop; it has the turn at first
    queue_reader_actor relief; ///< on another
  };

  /// `desk` says whether a core is idle.
  device_relief(io_loop_ptr lane, std::vector<io_loop_ptr> others,
                std::vector<queue> queues, helped_writer_actor writer,
                std::shared_ptr<cipher_desk> desk);
  device_relief(const device_relief&) = delete;
  device_relief& operator=(const device_relief&) = delete;

  /// To be called when there is traffic.
  void look_around(time_point now) {
    if (load_.is_due(now))
      look(now);
    if (const bool wanted = load_.wants_relief() && desk_->is_open();
        wanted != is_on_)
      turn(wanted);
  }
  bool is_on() const {
    return is_on_;
  }

private:
  void look(time_point now);
  void turn(bool on);

  io_loop_ptr lane_;
  std::vector<io_loop_ptr> others_;
  std::vector<queue> queues_;
  helped_writer_actor writer_;
  std::shared_ptr<cipher_desk> desk_;
  loop_load load_;
  bool is_on_ = false;
};

} // namespace weft
