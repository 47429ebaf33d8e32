#include "platform/epoll.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace weft {

namespace {

// Tags of the poller's own descriptors: addresses that nobody else has, and
// that stay when a poller moves.
char wake_tag;
char timer_tag;

/// Empties an eventfd or a timerfd.
void drain(int fd) {
  std::uint64_t count = 0;
  while (::read(fd, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

bool add(int set, int fd, void* tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = tag;
  return ::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0;
}

} // namespace

result<poller> poller::open() {
  poller made;
  made.epoll_ = file_descriptor{::epoll_create1(EPOLL_CLOEXEC)};
  made.wake_ = file_descriptor{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  made.timer_ = file_descriptor{
    ::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)};
  if (!made.epoll_ || !made.wake_ || !made.timer_
      || !add(made.epoll_.get(), made.wake_.get(), &wake_tag)
      || !add(made.epoll_.get(), made.timer_.get(), &timer_tag))
    return tl::unexpected(
      make_system_error(errno, "Cannot set up an event loop"));
  return made;
}

result<void> poller::watch(int fd, interest what, void* tag) {
  if (what == interest::none) {
    // An error or a hang-up is reported even for an empty set of events, and
    // again and again: only a descriptor outside of the set is silent.
    forget(fd);
    return {};
  }
  const auto bits = static_cast<unsigned>(what);
  epoll_event event{};
  if ((bits & static_cast<unsigned>(interest::read)) != 0)
    event.events |= EPOLLIN;
  if ((bits & static_cast<unsigned>(interest::write)) != 0)
    event.events |= EPOLLOUT;
  event.data.ptr = tag;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0)
    return {};
  if (errno == ENOENT
      && ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0)
    return {};
  return tl::unexpected(make_system_error(errno, "Cannot watch a descriptor"));
}

void poller::forget(int fd) {
  epoll_event unused{};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, &unused);
}

std::span<const poller::ready> poller::wait(bool block) {
  // Room for the two own descriptors as well, so that they never crowd out
  // others.
  std::array<epoll_event, max_ready + 2> events{};
  const auto count
    = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                   block ? -1 : 0);
  std::size_t used = 0;
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    if (event.data.ptr == &wake_tag) {
      drain(wake_.get());
    } else if (event.data.ptr == &timer_tag) {
      drain(timer_.get());
      deadline_.reset();
    } else if (used < max_ready) { // else it is still ready next time
      ready_[used++]
        = {event.data.ptr, (event.events & ~std::uint32_t{EPOLLOUT}) != 0,
           (event.events & EPOLLOUT) != 0};
    }
  }
  return {ready_.data(), used};
}

void poller::wake() const {
  const std::uint64_t one = 1;
  // EAGAIN: the counter is full, so a wake-up is pending already.
  while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void poller::set_deadline(std::optional<time_point> when) {
  if (when == deadline_)
    return;
  deadline_ = when;
  itimerspec setting{};
  if (when) {
    // Zero would disarm it; a time that passed fires at once.
    const auto since_boot
      = std::max(when->time_since_epoch(), boot_clock::duration{1});
    const auto seconds
      = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
    setting.it_value.tv_sec = seconds.count();
    setting.it_value.tv_nsec = (since_boot - seconds).count();
  }
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &setting, nullptr);
}

} // namespace weft
