#include "platform/linux/system_call_filter.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <vector>

namespace weft {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t architecture = 0;
#endif

/// Made without a look at their arguments.  Packets first.
constexpr std::array plain {
  SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_recvmmsg, SYS_sendmmsg,
    SYS_recvmsg, SYS_sendmsg, SYS_recvfrom, SYS_sendto, SYS_epoll_pwait,
    SYS_epoll_ctl, SYS_futex, SYS_timerfd_settime, SYS_clock_gettime,
    SYS_gettimeofday, SYS_getrandom,
    // memory
    SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise,
    SYS_mlockall, SYS_munlockall,
    // threads, and the end
    SYS_exit, SYS_exit_group, SYS_set_robust_list, SYS_rseq, SYS_membarrier,
    SYS_sched_yield, SYS_sched_getaffinity, SYS_sched_setaffinity, SYS_gettid,
    SYS_getpid, SYS_tgkill, SYS_prctl, SYS_clock_nanosleep, SYS_nanosleep,
    SYS_clock_getres, SYS_restart_syscall, SYS_rt_sigaction, SYS_rt_sigprocmask,
    SYS_rt_sigreturn, SYS_sigaltstack, SYS_signalfd4,
    // descriptors and sockets
    SYS_close, SYS_close_range, SYS_dup, SYS_dup3, SYS_fcntl, SYS_ioctl,
    SYS_pipe2, SYS_eventfd2, SYS_timerfd_create, SYS_timerfd_gettime,
    SYS_epoll_create1, SYS_inotify_init1, SYS_inotify_add_watch,
    SYS_inotify_rm_watch, SYS_socketpair, SYS_bind, SYS_listen, SYS_accept4,
    SYS_accept, SYS_connect, SYS_shutdown, SYS_getsockname, SYS_getpeername,
    SYS_getsockopt, SYS_setsockopt, SYS_ppoll, SYS_pselect6,
    // files: configuration, certificates, names, the log, control sockets
    SYS_openat, SYS_lseek, SYS_pread64, SYS_pwrite64, SYS_fsync, SYS_fdatasync,
    SYS_ftruncate, SYS_memfd_create, SYS_fstat, SYS_newfstatat, SYS_statx,
    SYS_statfs, SYS_fstatfs, SYS_getdents64, SYS_readlinkat, SYS_faccessat,
    SYS_faccessat2, SYS_getcwd, SYS_chdir, SYS_flock, SYS_mkdirat, SYS_unlinkat,
    SYS_renameat, SYS_renameat2, SYS_linkat, SYS_fchmod, SYS_fchmodat,
    SYS_fchown, SYS_fchownat, SYS_umask,
    // what it is and may do
    SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getgroups,
    SYS_getppid, SYS_getsid, SYS_setsid, SYS_pidfd_open, SYS_pidfd_send_signal,
    SYS_capget, SYS_prlimit64, SYS_getrusage, SYS_sysinfo, SYS_uname,
#if defined(__x86_64__)
    // older forms of the above, which libraries may use
    SYS_epoll_wait, SYS_poll, SYS_select, SYS_open, SYS_stat, SYS_lstat,
    SYS_access, SYS_readlink, SYS_unlink, SYS_rename, SYS_mkdir, SYS_chmod,
    SYS_lchown, SYS_dup2, SYS_time, SYS_getrlimit, SYS_setrlimit,
    SYS_arch_prctl,
#endif
};

class program {
public:
  program() {
    load(offsetof(seccomp_data, arch));
    unless_equal(architecture, 1);
    jump(1);
    answer(SECCOMP_RET_KILL_PROCESS); // numbers mean something else there
    load(offsetof(seccomp_data, nr));
  }
  void allow(long number) {
    unless_equal(static_cast<std::uint32_t>(number), 1);
    answer(SECCOMP_RET_ALLOW);
  }
  void refuse(long number, std::uint32_t code) {
    unless_equal(static_cast<std::uint32_t>(number), 1);
    answer(SECCOMP_RET_ERRNO | code);
  }
  /// Threads, but no processes.
  void allow_threads() {
    // Its flags are in memory, where no filter can look: the C library goes
    // on with clone().
    refuse(SYS_clone3, ENOSYS);
    unless_equal(SYS_clone, 4);
    load(offsetof(seccomp_data, args)); // the lower half, little endian
    add(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1);
    answer(SECCOMP_RET_ALLOW);
    answer(SECCOMP_RET_ERRNO | EPERM);
  }
  /// Sockets of these families alone.
  void allow_sockets(std::initializer_list<std::uint32_t> families) {
    unless_equal(SYS_socket,
                 static_cast<std::uint8_t>(2 + 2 * families.size()));
    load(offsetof(seccomp_data, args));
    for (const auto family : families)
      allow(family);
    answer(SECCOMP_RET_ERRNO | EAFNOSUPPORT);
  }
  result<void> install() {
    answer(SECCOMP_RET_ERRNO | EPERM);
    const sock_fprog filter{static_cast<unsigned short>(steps_.size()),
                            steps_.data()};
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG,
                  &filter)
        != 0)
      return tl::unexpected(
        make_system_error(errno, "Cannot filter system calls",
                          "Start without --seccomp, or allow it"));
    return {};
  }

private:
  void add(unsigned code, std::uint32_t value, std::uint8_t yes = 0,
           std::uint8_t no = 0) {
    steps_.push_back({static_cast<std::uint16_t>(code), yes, no, value});
  }
  void load(std::size_t offset) {
    add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
  }
  void answer(std::uint32_t what) {
    add(BPF_RET | BPF_K, what);
  }
  void jump(std::uint32_t steps) {
    add(BPF_JMP | BPF_JA, steps);
  }
  /// Leaves out `steps` unless the loaded word is `value`.
  void unless_equal(std::uint32_t value, std::uint8_t steps) {
    add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, steps);
  }

  std::vector<sock_filter> steps_;
};

} // namespace

result<void> filter_system_calls() {
  if constexpr (architecture == 0)
    return tl::unexpected(
      make_system_error(ENOSYS, "Cannot filter system calls",
                        "weft has a filter for x86-64 and ARM64 only"));
  program filter;
  for (const long number : plain)
    filter.allow(number);
  filter.allow_threads();
  filter.allow_sockets({AF_UNIX, AF_INET, AF_INET6, AF_NETLINK});
  return filter.install();
}

} // namespace weft
