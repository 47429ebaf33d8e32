// Work that may block, and that nobody waits for longer than he wants to.
#pragma once

#include "platform/thread.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace weft {

/// Does `work` for each of `items` in their order, on a thread of its own, as
/// long as it `goes_on` after the one before: the results after `patience`, or
/// once there are no more.  What is under way then goes on, and nobody hears of
/// it.  Without a thread nothing is done.
template <class Item, class Result>
std::vector<Result>
do_in_time(const std::string& thread_name, std::vector<Item> items,
           std::function<Result(const Item&)> work,
           std::function<bool(const Result&)> goes_on,
           std::chrono::milliseconds patience) {
  struct progress {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<Result> all;
    bool is_over = false;
  };
  const auto so_far = std::make_shared<progress>();
  try {
    std::thread([=, todo = std::move(items)] {
      enter_service_thread(thread_name);
      for (const auto& item : todo) {
        auto result = work(item);
        const bool more = goes_on(result);
        const std::lock_guard guard(so_far->mutex);
        if (so_far->is_over)
          return;
        so_far->all.push_back(std::move(result));
        if (!more)
          break;
      }
      const std::lock_guard guard(so_far->mutex);
      so_far->is_over = true;
      so_far->changed.notify_all();
    }).detach();
  } catch (const std::system_error&) {
    return {};
  }
  std::unique_lock lock(so_far->mutex);
  so_far->changed.wait_for(lock, patience, [&] { return so_far->is_over; });
  so_far->is_over = true;
  return std::move(so_far->all);
}

} // namespace weft
