// Stands before the C library's own functions, also for SQLite.
#include "tests/stores/counted_syncs.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

namespace {

std::atomic<std::size_t> synchronised = 0;

} // namespace

std::size_t weft::test::files_synchronised() {
  return synchronised;
}

extern "C" int fsync(int fd) {
  ++synchronised;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

extern "C" int fdatasync(int fd) {
  ++synchronised;
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}
