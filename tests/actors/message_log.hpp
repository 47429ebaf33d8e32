// A record of messages that a test waits for, and other conditions.
#pragma once

#include "tests/catch.hpp"

#include <algorithm>
#include <any>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <tuple>
#include <vector>

namespace weft::test {

/// What no test takes unless it fails.
inline constexpr std::chrono::seconds patience{60};

/// What this thread does while it waits, if there are actors that live on it.
inline thread_local std::function<void()> while_waiting;

/// Whether `condition` comes true; for what sends no message.
template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline)
      return false;
    if (while_waiting)
      while_waiting();
    else
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

/// Filled by any thread, read by the test's.
class message_log {
public:
  template <class T>
  void push(T message) {
    const std::lock_guard guard(mutex_);
    entries_.emplace_back(std::move(message));
    changed_.notify_all(); // whoever takes it may end this log
  }

  /// Takes the oldest message of type T, once there is one.
  template <class T>
  T next() {
    if (while_waiting)
      std::ignore = eventually([this] { return count<T>() > 0; });
    std::unique_lock lock(mutex_);
    auto found = entries_.end();
    const auto has_come = [&] {
      found = std::find_if(entries_.begin(), entries_.end(), is<T>);
      return found != entries_.end();
    };
    if (!has_come() && !while_waiting)
      changed_.wait_for(lock, patience, has_come);
    if (found == entries_.end())
      FAIL("no message of type " << typeid(T).name() << " comes");
    auto message = std::any_cast<T>(std::move(*found));
    entries_.erase(found);
    return message;
  }

  template <class T>
  std::size_t count() {
    const std::lock_guard guard(mutex_);
    return static_cast<std::size_t>(
      std::count_if(entries_.begin(), entries_.end(), is<T>));
  }

  /// Takes all messages of type T that there are.
  template <class T>
  std::vector<T> take() {
    const std::lock_guard guard(mutex_);
    std::vector<T> taken;
    for (auto& entry : entries_) {
      if (is<T>(entry))
        taken.push_back(std::any_cast<T>(std::move(entry)));
    }
    std::erase_if(entries_, [](const std::any& entry) {
      return !entry.has_value() || is<T>(entry);
    });
    return taken;
  }

private:
  template <class T>
  static bool is(const std::any& entry) {
    return entry.type() == typeid(T);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::any> entries_;
};

using message_log_ptr = std::shared_ptr<message_log>;

} // namespace weft::test
