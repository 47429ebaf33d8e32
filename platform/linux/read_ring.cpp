#include "platform/read_ring.hpp"

#include <liburing.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>

namespace weft {

namespace {

constexpr auto cannot_read = "Cannot read packets in groups (io_uring)";

/// What to do about an errno of io_uring_setup(), or of a read.
std::string remedy_for(int code) {
  // Rings of this kind are older (6.1) than TUN devices without waiting.
  if (code == EINVAL || code == EOPNOTSUPP)
    return "Linux 6.4 can";
  if (code != EPERM && code != ENOSYS)
    return {};
  int disabled = 0; // where the kernel does not know the setting
  std::ifstream{"/proc/sys/kernel/io_uring_disabled"} >> disabled;
  return disabled > 0 ? "Allow it (sysctl kernel.io_uring_disabled=0)"
                      : "Allow it in the filter of system calls";
}

} // namespace

struct read_ring::state {
  explicit state(std::size_t bytes)
    : size(bytes),
      // Not cleared: pages that nothing is read into are never there.
      // NOLINTNEXTLINE(modernize-avoid-c-arrays): there is no other spelling.
      memory(std::make_unique_for_overwrite<std::byte[]>(max_reads * bytes)) {
  }
  state(const state&) = delete;
  state& operator=(const state&) = delete;
  ~state() {
    if (is_open)
      ::io_uring_queue_exit(&ring);
    // The kernel still writes there.
    if (under_way > 0)
      static_cast<void>(memory.release());
  }

  result<void> open() {
    io_uring_params wanted{};
    // No other thread uses it, and no signal stops a read.
    wanted.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN
                   | IORING_SETUP_SUBMIT_ALL;
    const int code = -::io_uring_queue_init_params(max_reads, &ring, &wanted);
    if (code != 0)
      return tl::unexpected(
        make_system_error(code, cannot_read, remedy_for(code)));
    is_open = true;
    return {};
  }
  void prepare(int fd, std::size_t count) {
    for (std::size_t number = 0; number < count; ++number) {
      auto* entry = ::io_uring_get_sqe(&ring);
      if (entry == nullptr)
        return; // there are as many as reads; submit() would notice
      ::io_uring_prep_read(entry, fd, memory.get() + number * size,
                           static_cast<unsigned>(size), 0);
      // O_NONBLOCK alone would have it wait in the kernel.
      entry->rw_flags = RWF_NOWAIT;
      ::io_uring_sqe_set_data64(entry, number);
    }
  }
  /// Hands the reads to the kernel, and waits until it has done them.
  void submit(std::size_t count) {
    const int submitted = ::io_uring_submit(&ring);
    if (submitted > 0)
      under_way = static_cast<std::size_t>(submitted);
    if (under_way < count)
      fail(submitted < 0 ? -submitted : EAGAIN);
    const auto done = under_way;
    collect();
    // None of them has anything to wait for.
    while (under_way > 0) {
      io_uring_cqe* first = nullptr;
      const int code = -::io_uring_wait_cqe(&ring, &first);
      if (code != 0 && code != EINTR && code != EAGAIN)
        return fail(code);
      collect();
    }
    results_used = done;
  }
  void collect() {
    std::array<io_uring_cqe*, max_reads> done{};
    const auto count
      = ::io_uring_peek_batch_cqe(&ring, done.data(), done.size());
    for (const auto* each : std::span{done}.first(count)) {
      const auto number = static_cast<std::size_t>(each->user_data);
      auto& into = results[number];
      into.error = each->res < 0 ? -each->res : 0;
      into.bytes = {memory.get() + number * size,
                    static_cast<std::size_t>(std::max(each->res, 0))};
    }
    ::io_uring_cq_advance(&ring, count);
    under_way -= count;
  }
  /// A descriptor that knows no read without waiting refuses all of them, and
  /// nothing was read.
  void look_for_refusal() {
    if (results_used == 0 || results[0].error != EOPNOTSUPP)
      return;
    results_used = 0;
    fail(EOPNOTSUPP);
  }
  void fail(int code) {
    failure = make_system_error(code, cannot_read, remedy_for(code));
  }

  std::size_t size;
  std::unique_ptr<std::byte[]> memory; // NOLINT(modernize-avoid-c-arrays)
  std::array<read_result, max_reads> results;
  std::size_t results_used = 0;
  std::size_t under_way = 0; ///< reads that the kernel has not done
  std::optional<system_error> failure;
  io_uring ring{};
  bool is_open = false;
};

read_ring::read_ring(std::unique_ptr<state> made) : state_(std::move(made)) {
}

read_ring::read_ring(read_ring&&) noexcept = default;
read_ring& read_ring::operator=(read_ring&&) noexcept = default;
read_ring::~read_ring() = default;

result<read_ring> read_ring::open(std::size_t size) {
  auto made = std::make_unique<state>(size);
  if (auto done = made->open(); !done)
    return tl::unexpected(done.error());
  return read_ring{std::move(made)};
}

std::span<const read_ring::read_result>
read_ring::read(int fd, std::size_t count) {
  auto& my = *state_;
  my.results_used = 0;
  if (!my.failure) {
    my.prepare(fd, count);
    my.submit(count);
    my.look_for_refusal();
  }
  return std::span{my.results}.first(my.results_used);
}

const std::optional<system_error>& read_ring::failure() const {
  return state_->failure;
}

} // namespace weft
