// From process to process: one takes the place of another while packets flow.
//
// Both speak over a Unix stream socket, of the same user:
//
//   old                                   new
//   state, descriptors, pidfd ──────────►
//                             ◄──────────  READY    it could go on
//   wipes its keys; COMMIT    ──────────►  sends from now on
//   or ABORT, then it goes on ──────────►  ends
//
// BUSY with a reason, in place of the first line: the old one goes on, and may
// be asked again soon.
//
// Only one of the two may send with the session's counters.  The new one does
// so after COMMIT, or when the stream ended without ABORT and the old process
// is dead, as its pidfd says.  The old one has stopped before the first line,
// and goes on only once ABORT is in the socket.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/hand_over.hpp"
#include "protocol/base/time.hpp"

#include <span>
#include <string>
#include <string_view>

namespace weft {

/// The side of the process that ends.  Calls block; `until` is of boot_now().
class giving_place {
public:
  /// The process at the other end of a Unix stream socket asks.  EACCES: it is
  /// another user's.
  static result<giving_place> to(file_descriptor connection);
  giving_place(giving_place&&) noexcept = default;
  giving_place& operator=(giving_place&&) = delete;
  /// abort(), unless commit() was called.
  ~giving_place();

  /// Not now: in place of give(), and the last word.
  void turn_away(std::string_view why) noexcept;
  /// This process sends no more until abort().
  result<void>
  give(const state_memory& state, std::span<const named_descriptor> descriptors,
       time_point until);
  /// ECONNRESET: the other has ended, for a reason that it says itself.
  /// ETIMEDOUT also when it was ready too late: it may have given up.
  result<void> wait_until_ready(time_point until);
  /// To be called once this process cannot send any more: the keys are wiped.
  result<void> commit();
  /// Once it returns the other never sends.
  void abort() noexcept;

private:
  explicit giving_place(file_descriptor connection)
    : connection_(std::move(connection)) {
  }

  file_descriptor connection_; ///< invalid: it is decided
};

/// Blocks for as long as one who was turned away waits before it comes again.
void wait_while_busy();

/// The side of the process that begins.
class taking_place {
public:
  /// Of whoever serves the socket.  EACCES: it is another user's process.
  static result<taking_place> of(const std::string& socket);
  /// Of the process at the other end of a Unix stream socket.
  static result<taking_place> from(file_descriptor connection);

  /// EINVAL: what came is none of this; its reason is said.  EBUSY: not now.
  result<handed_over> receive(time_point until);
  /// To be called whether the other can still hear it or not.
  void tell_ready();
  /// Returns once this process alone may send.  ECANCELED: the old one goes on,
  /// and this one must never send.  ETIMEDOUT: it is not known, so the same
  /// holds.
  result<void> wait_for_place(time_point until);
  /// To be called once this process has the place.  Returns once the old one
  /// has ended, and what it served is free; it is killed if it has not by then,
  /// for neither would be there if this one gave up.
  result<void> wait_until_ended(time_point until);

private:
  explicit taking_place(file_descriptor connection)
    : connection_(std::move(connection)) {
  }

  file_descriptor connection_;
  file_descriptor old_process_; ///< pidfd_open(2)
};

} // namespace weft
