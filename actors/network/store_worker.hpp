// Asks a directory's store, whose calls block, on threads of its own: one for
// calls, in their order, and one for the watch.
#pragma once

#include "actors/loop/loop_sources.hpp"
#include "protocol/network/store.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

namespace weft {

// What is told of the store.

struct store_opened {
  store_id id{};
};
/// It could not be opened, which is tried again.
struct store_missing {
  store_error why;
};
struct store_listed {
  store_result<store_page> page;
};
struct store_changed {
  store_result<change_outcome> outcome;
};
struct store_renamed {
  store_result<store_id> id;
};
/// Of the watch under that number.
struct store_told {
  std::uint64_t watch = 0;
  store_result<store_news> news;
};
/// Who was there when this directory said that it is.
struct store_attended {
  store_result<std::vector<store_presence>> directories;
};
struct store_backed_up {
  std::uint64_t number = 0; ///< of the caller's
  store_result<void> outcome;
};

struct store_compacted {
  store_result<void> outcome;
};

using store_report
  = std::variant<store_opened, store_missing, store_listed, store_changed,
                 store_renamed, store_told, store_attended, store_backed_up,
                 store_compacted>;

/// A store with what only one kind of store can do.
struct usable_store {
  std::unique_ptr<directory_store> store;
  /// Null: such stores have ways of their own.
  std::function<store_result<void>(const std::string& path)> back_up;
};

class store_worker {
public:
  /// Called on the worker's threads.
  using opener = std::function<store_result<usable_store>()>;
  using teller = std::function<void(store_report)>;

  /// Opens the store, again and again until it can be.  `tell` is called on the
  /// worker's threads.
  store_worker(opener open, teller tell, loop_sources from);
  store_worker(const store_worker&) = delete;
  store_worker& operator=(const store_worker&) = delete;
  /// Ends the calls under way and waits for the threads.
  ~store_worker();

  // Each is answered by a report; before the store is open it waits.
  void list(store_range range);
  void change(store_change change);
  void renew_id();
  void attend(std::string value);
  void back_up(std::string path, std::uint64_t number);
  /// Forgets what was before that revision.
  void compact(store_revision revision);
  /// Lets go of the store and opens it as if it had never been: with what was
  /// asked before done, and before what is asked later.  Not at once if it was
  /// opened a short time ago.
  void open_anew();
  /// Watches all entries from a revision on, instead of what was watched
  /// before.  Returns the number that reports have.
  std::uint64_t watch(store_revision from);

private:
  using job = std::function<void(usable_store&)>;

  void ask(job what);
  void run_calls();
  void run_watch();
  bool open();
  void close();
  /// False: the end has come.
  bool rest_before_opening();
  std::optional<job> next_job();
  void start_watch(usable_store& from, std::uint64_t number,
                   store_revision revision);
  void end_watch();
  void follow(store_watch& watch, std::uint64_t number);
  /// False: the end has come.
  bool pause(std::chrono::milliseconds how_long);

  opener open_;
  teller tell_;
  loop_sources from_;
  usable_store store_; ///< of the calls' thread, but for cancel()
  // Of the calls' thread.
  bool opens_anew_ = false;
  time_point opened_at_{};
  std::chrono::milliseconds rests_{0}; ///< before it was last opened anew

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<job> jobs_;
  directory_store* to_cancel_ = nullptr; ///< there is one, and it is open
  /// Handed to the watch's thread, whose it is then; it is asked for back.
  std::shared_ptr<store_watch> watch_;
  std::uint64_t watch_number_ = 0; ///< of `watch_`
  std::uint64_t last_watch_ = 0;
  bool following_ = false; ///< the watch's thread is in a call of `watch_`
  bool stopping_ = false;

  std::thread calls_;
  std::thread follows_;
};

} // namespace weft
