// Readiness of descriptors, a wake-up from other threads, and a deadline.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "protocol/base/time.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace weft {

/// What a descriptor is watched for: each of the others means errors as well.
enum class interest : std::uint8_t {
  none = 0,
  read = 1,
  write = 2,
  both = 3,
  errors = 4
};

/// An epoll set with an eventfd to wake it and a timerfd on CLOCK_BOOTTIME.
class poller {
public:
  struct ready {
    void* tag = nullptr;   ///< as given to watch()
    bool readable = false; ///< or in error, or hung up
    bool writable = false;
  };

  static result<poller> open();

  /// Adds or changes a descriptor.  `none` keeps it silent, even when it
  /// is in error, until it is watched again.
  result<void> watch(int fd, interest what, void* tag);
  void forget(int fd);

  /// Waits for events: not at all if `block` is false.  A wake() or a deadline
  /// that passed ends the wait without an entry of its own, and so does a
  /// signal.  The entries hold until the next call; one of them may name a
  /// descriptor that was forgotten while an earlier one was handled.
  std::span<const ready> wait(bool block);

  /// Readable when wait() has something to tell: for a poller within another.
  int descriptor() const {
    return epoll_.get();
  }

  /// Ends a wait() from any thread.
  void wake() const;

  /// Ends wait() at `when`; nothing: never.
  void set_deadline(std::optional<time_point> when);

private:
  poller() = default;
  static constexpr std::size_t max_ready = 64;
  file_descriptor epoll_;
  file_descriptor wake_;
  file_descriptor timer_;
  std::optional<time_point> deadline_;
  std::array<ready, max_ready> ready_{};
};

} // namespace weft
