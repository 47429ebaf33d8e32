#include "platform/line_writer.hpp"

#include "platform/thread.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

namespace weft {

namespace {

/// Whether the whole line went out; `begun`: a part of it did.
bool write_line(int fd, std::string_view line, bool& begun) {
  begun = false;
  while (!line.empty()) {
    const auto done = ::write(fd, line.data(), line.size());
    if (done > 0) {
      line.remove_prefix(static_cast<std::size_t>(done));
      begun = true;
    } else if (done < 0 && errno == EAGAIN) {
      pollfd entry{fd, POLLOUT, 0}; // somebody made it non-blocking
      ::poll(&entry, 1, -1);
    } else if (done == 0 || errno != EINTR) {
      return false; // a full disk, or nobody reads any more
    }
  }
  return true;
}

} // namespace

struct line_writer::state {
  state(int fd, lost_line tell) : descriptor(fd), tell_lost(std::move(tell)) {
  }

  const int descriptor;
  const lost_line tell_lost;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> lines;
  std::size_t bytes = 0;
  std::size_t lost = 0;
  bool writing = false;
  bool over = false;
};

line_writer::line_writer(int descriptor, lost_line tell_lost)
  : state_(std::make_shared<state>(descriptor, std::move(tell_lost))) {
  std::thread{[mine = state_] { run(mine); }}.detach();
}

line_writer::~line_writer() {
  drain(patience);
  const std::lock_guard guard{state_->mutex};
  state_->over = true;
  state_->changed.notify_all();
}

void line_writer::add(std::string line) {
  const std::lock_guard guard{state_->mutex};
  if (state_->bytes + line.size() > most_waiting) {
    ++state_->lost;
    return;
  }
  state_->bytes += line.size();
  state_->lines.push_back(std::move(line));
  state_->changed.notify_all();
}

bool line_writer::drain(std::chrono::milliseconds at_most) {
  std::unique_lock guard{state_->mutex};
  return state_->changed.wait_for(guard, at_most, [&] {
    return state_->lines.empty() && !state_->writing;
  });
}

void line_writer::run(const std::shared_ptr<state>& mine) {
  enter_service_thread("weft-log");
  bool cut_off = false; // in the middle of a line
  std::unique_lock guard{mine->mutex};
  for (;;) {
    mine->changed.wait(guard,
                       [&] { return !mine->lines.empty() || mine->over; });
    if (mine->over)
      return;
    auto line = std::move(mine->lines.front());
    mine->lines.pop_front();
    // Between the last line before the gap and the first one behind it.
    const auto lost = mine->lines.empty() ? std::exchange(mine->lost, 0) : 0;
    mine->writing = true;
    guard.unlock();
    const auto length = line.size();
    if (cut_off)
      line.insert(0, 1, '\n');
    bool begun = false;
    bool written = write_line(mine->descriptor, line, begun);
    cut_off = !written && (begun || cut_off);
    auto again = lost + (written ? 0 : 1);
    if (written && lost > 0
        && write_line(mine->descriptor, mine->tell_lost(lost), begun))
      again = 0;
    guard.lock();
    mine->bytes -= length;
    mine->lost += again;
    mine->writing = false;
    mine->changed.notify_all();
  }
}

} // namespace weft
