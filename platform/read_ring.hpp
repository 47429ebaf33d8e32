// Many reads of a descriptor by one system call: io_uring.
#pragma once

#include "platform/error.hpp"
#include "protocol/base/bytes.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

namespace weft {

/// Used on the thread that opened it, and no other.  Holds memory of its own
/// for what it reads, of which only what was read into takes room.
class read_ring {
public:
  /// Reads that one call makes at the most.
  static constexpr std::size_t max_reads = 64;

  /// For reads of up to `size` bytes each.  Needs Linux 6.1, and fails where
  /// the host forbids io_uring: by a filter of system calls, as containers
  /// have, or by the setting kernel.io_uring_disabled.  To read TUN devices
  /// needs Linux 6.4, which the first read() notices.
  static result<read_ring> open(std::size_t size);

  read_ring(read_ring&&) noexcept;
  read_ring& operator=(read_ring&&) noexcept;
  ~read_ring();

  struct read_result {
    int error = 0; ///< errno of a read that failed; 0: it did not
    byte_span bytes{};
  };

  /// Reads `fd` so many times, 1 to max_reads, and waits for nothing: a read
  /// fails with EAGAIN where there is nothing to be read, whatever the
  /// descriptor's own mode.  The results are in the order of the reads, and
  /// valid until the next call.  No read is under way any more when it returns.
  /// Fewer results than reads: the ring has failed, as it does where `fd`
  /// cannot be read without waiting, and reads no more.
  std::span<const read_result> read(int fd, std::size_t count);

  /// Why it reads no more.
  const std::optional<system_error>& failure() const;

private:
  struct state;
  explicit read_ring(std::unique_ptr<state> made);
  std::unique_ptr<state> state_;
};

} // namespace weft
