// This process: signals, privileges, core dumps, readiness, background.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"

#include <functional>
#include <span>
#include <string>

namespace weft {

/// Signals as a descriptor: SIGINT, SIGTERM and SIGHUP, or others.  Blocks them
/// for the calling thread and those it starts later, so call it first of all.
class signal_watch {
public:
  static result<signal_watch> open();
  static result<signal_watch> open(std::span<const int> signals);
  int descriptor() const {
    return fd_.get();
  }
  /// The next signal, or 0.
  int read() const;

private:
  signal_watch() = default;
  file_descriptor fd_;
};

/// Opens /dev/null where standard input, output or error is closed, before
/// something else gets its number.  Call it first of all.
void complete_standard_descriptors();

/// Closes all descriptors but the three: a daemon would keep what its caller
/// forgot to close, such as a lock or a pipe, for ever.
void close_inherited_descriptors();

/// Keeps a SIGHUP for the signal_watch that is opened later.
void hold_hang_up();

/// No core dumps and no ptrace by other users: keys stay in this process.
/// Where the limit allows for all memory (root raises it), or CAP_IPC_LOCK
/// does, nothing goes to the swap either.  A child that is forked has to call
/// it again, and so has a process that goes on with fewer rights: what it may
/// not lock any more is let go, or memory would seem to run out.
void protect_memory();

/// No crash leaves keys in a file.  (A program that users start should still be
/// able to open what its shell passes as /dev/fd/N, which protect_memory() ends
/// for all but root.)
void forbid_core_dumps();

/// Whether protect_memory() could keep this process out of the swap.
bool memory_is_locked();

/// Runs `action` while memory that protect_memory() locked is not: locked
/// memory cannot be given back to the system (malloc_trim).
void while_memory_is_unlocked(const std::function<void()>& action);

/// Until `tell_failures_no_longer()`: memory that runs out ends the process
/// with `PROGRAM: out of memory` and exit code 1, in whichever thread.
/// From now on an exception that nobody catches is told in the same way.
void tell_failures(const char* program);
void tell_failures_no_longer();

/// Whether the others end with it: the first process of a container is that.
bool is_first_process();

/// Whether a service manager has started this process, which starts its
/// successor, too: systemd, whatever the unit's type (SYSTEMD_EXEC_PID names
/// the process, and those that it starts inherit the number), or one that waits
/// until it is ready.
bool is_service();

/// Raises the limit of open files to the hard limit, and has the kernel's table
/// of them ready for those of a node.  Call it before any thread starts: one
/// that grows later has whoever opens a file wait until all processors have
/// noticed, 10 ms or more.
void prepare_descriptors();

/// Whether `count` more descriptors can be had now.
result<void> check_descriptors(std::size_t count);

/// Goes to the background: the caller waits until the child calls
/// `background::ready()` (exit 0) or ends before that (its exit code).
class background {
public:
  /// Forks; returns in the child only.  Call it before any thread starts.
  static result<background> enter();
  /// Releases the waiting parent, and lets go of terminal and folder.  Standard
  /// output and error go on only if they are files.  Later calls do nothing.
  void ready();

private:
  background() = default;
  file_descriptor pipe_;
};

} // namespace weft
