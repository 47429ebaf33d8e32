// Where directories keep what they know: entries under ordered keys, changed
// several at once on conditions, read as they were at one revision, and watched
// from there on.  What the entries say is none of a store's business, and
// nobody takes it for true for standing there.
//
// platform/store/ has one in a SQLite file and one in etcd.  Calls block, up to
// the patience that the store was opened with: they belong on a thread that has
// nothing else to do.
#pragma once

#include "protocol/base/bytes.hpp"

#include <tl/expected.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// Counts a store's changes: each has a higher one than those before it, and
/// what happens in one change happens at one revision.  0: before all of them.
using store_revision = std::uint64_t;

/// Names a store's history: revisions of different ids say nothing of each
/// other.  Random.
using store_id = byte_array<16>;

/// Names a change; random, so that no two are called the same.
using request_id = byte_array<16>;

inline constexpr std::size_t longest_store_key = 256;          ///< bytes
inline constexpr std::size_t largest_store_value = 524'288;    ///< bytes
inline constexpr std::size_t largest_store_change = 1'048'576; ///< bytes
inline constexpr std::size_t most_store_conditions = 8;
/// With the request's id a change has eight operations at most.
inline constexpr std::size_t most_store_writes = 7;
inline constexpr std::size_t largest_store_page = 256; ///< entries
/// So long a presence is seen after the last call that kept it.
inline constexpr std::chrono::seconds presence_lasts{15};
/// So often it should be kept.
inline constexpr std::chrono::seconds presence_interval{5};

/// Why a call did not do what it should.
enum class store_failure : std::uint8_t {
  /// The store does not answer.  Nothing was changed.
  unavailable,
  /// The store was asked for a change and no answer came: it was made, or is
  /// made later, or never.  The same change under the same id settles it, and
  /// is to be asked for before any other one.
  unknown_outcome,
  /// What was there at this revision is forgotten: list anew.
  history_lost,
  /// Another process writes under this writer's name now, so this one no longer
  /// may.
  superseded,
  /// The store takes neither name nor password, or does not let them do this.
  refused,
  /// There is no room.  Nothing was changed.
  full,
  /// What is stored is not what a store wrote, or is of an older day than what
  /// was seen already.
  damaged,
  /// The arguments are outside the bounds above.
  out_of_bounds,
  /// cancel() was called.
  cancelled,
};

struct store_error {
  store_failure failure = store_failure::unavailable;
  std::string message; ///< a whole sentence with the remedy, without secrets
};

template <class T>
using store_result = tl::expected<T, store_error>;

struct store_entry {
  std::string key;
  std::string value;
  store_revision changed = 0; ///< by the last change of it

  bool operator==(const store_entry&) const = default;
};

/// Which entries to list: those whose keys begin with `prefix`, in the order of
/// their bytes.
struct store_range {
  std::string prefix;
  /// The last key of the page before, which begins with the prefix; empty: from
  /// the first.
  std::string after{};
  store_revision at = 0; ///< the page before's; 0: now
  std::size_t most = largest_store_page;
};

struct store_page {
  std::vector<store_entry> entries;
  store_revision at = 0; ///< all were so at this revision
  bool more = false;     ///< there are others after the last one
};

struct store_condition {
  std::string key;
  store_revision changed = 0; ///< its entry's; 0: there is no such entry
};

struct store_write {
  std::string key;
  std::optional<std::string> value; ///< none: the entry is removed
};

/// All writes at one revision if all conditions hold, otherwise none of them.
struct store_change {
  request_id request{};
  std::vector<store_condition> conditions;
  std::vector<store_write> writes; ///< of different keys; one at least
};

/// What is wrong with a change, or nothing.
std::optional<store_error> mistake_in(const store_change& change);
/// What is wrong with a range, or nothing.
std::optional<store_error> mistake_in(const store_range& range);

/// Whether a store can have such an entry.
bool is_store_key(const std::string& key);

/// The first key after all that begin with `prefix`; empty: there is none.
std::string end_of_prefix(std::string prefix);

struct change_outcome {
  bool applied = false;  ///< no: a condition did not hold
  store_revision at = 0; ///< applied: the change's; otherwise: when it did not
};

/// One entry's fate in a change.
struct store_event {
  store_revision at = 0;
  std::string key;
  std::optional<std::string> value; ///< none: removed

  bool operator==(const store_event&) const = default;
};

/// What happened since the news before, in order; changes are never divided.
struct store_news {
  std::vector<store_event> events;
  store_revision through = 0; ///< all up to this revision has been told
};

/// Follows the entries of a prefix.  One thread waits at a time.
class store_watch {
public:
  store_watch() = default;
  store_watch(const store_watch&) = delete;
  store_watch& operator=(const store_watch&) = delete;
  virtual ~store_watch() = default;

  /// Waits until something happened, for `patience` at most: then the news are
  /// empty.  `history_lost`: it cannot be told what happened, so list anew and
  /// watch from the next revision.  `unavailable`: the store could not be
  /// reached meanwhile; later calls go on where this one ended.
  virtual store_result<store_news> wait(std::chrono::milliseconds patience) = 0;

  /// Ends wait() now and for ever.  From any thread.
  virtual void cancel() = 0;
};

struct store_presence {
  std::string name;
  std::string value;

  bool operator==(const store_presence&) const = default;
};

/// One thread calls at a time; what follows may be in other threads: a watch,
/// and cancel().
class directory_store {
public:
  directory_store() = default;
  directory_store(const directory_store&) = delete;
  directory_store& operator=(const directory_store&) = delete;
  virtual ~directory_store() = default;

  /// The history's name.
  virtual store_id id() const = 0;

  /// Begins another history, with the same entries: after it was restored from
  /// a backup.
  virtual store_result<store_id> renew_id() = 0;

  /// As it is now; nothing: there is no such entry.
  virtual store_result<std::optional<store_entry>> get(const std::string& key)
    = 0;

  /// A page: at most range.most entries, fewer where they are large.
  /// `history_lost` if range.at is forgotten.
  virtual store_result<store_page> list(const store_range& range) = 0;

  /// On the disk when it returns (with etcd: on most disks).  A change with the
  /// id of the last one that this object made is not made again, but has its
  /// outcome told.
  virtual store_result<change_outcome> change(const store_change& change) = 0;

  /// Tells what happens from revision `from` on: after a list, from the one
  /// after its own.  It must end before the store does.
  virtual store_result<std::unique_ptr<store_watch>>
  watch(const std::string& prefix, store_revision from) = 0;

  /// Forgets what was before `revision`, which can still be listed.  Watches
  /// that have not come so far end with `history_lost`.
  virtual store_result<void> compact(store_revision revision) = 0;

  /// Says for presence_lasts that this writer is there.
  virtual store_result<void> keep_present(const std::string& value) = 0;

  /// Who is there, by name.
  virtual store_result<std::vector<store_presence>> present() = 0;

  /// Ends the call under way, all later ones, and those of its watches:
  /// `cancelled`.  From any thread.
  virtual void cancel() = 0;
};

} // namespace weft
