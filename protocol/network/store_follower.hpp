// How a directory keeps with its store: it reads all of it, follows it from
// there on, and changes it.  One change is under way at a time; what became of
// it is settled before the next one is asked for.  Part of directory.hpp: it
// does nothing itself, but leaves steps.
#pragma once

#include "protocol/base/random.hpp"
#include "protocol/base/time.hpp"
#include "protocol/network/store.hpp"

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace weft {

class store_follower {
public:
  /// Answered with listed().
  struct list_entries {
    store_range range;
  };
  /// Of all entries ("") from that revision on, instead of the watch before;
  /// answered with told() each time that wait() returns.  The caller goes on
  /// after an `unavailable`; after other errors that watch is over.
  struct watch_entries {
    store_revision from = 0;
  };
  /// Answered with changed().
  struct change_entries {
    store_change change;
  };
  using step = std::variant<list_entries, watch_entries, change_entries>;

  /// What has become of an entry.
  struct entry_news {
    std::string key;
    std::optional<std::string> value; ///< none: removed
    store_revision at = 0;            ///< it is so from there on
  };
  /// What has become of the change that was asked for.
  struct outcome {
    bool applied = false;
    /// Why it cannot be made at all; otherwise a condition did not hold.
    std::optional<store_error> error;
    store_revision at = 0; ///< what was applied
  };

  static constexpr std::chrono::milliseconds first_wait{100};
  static constexpr std::chrono::milliseconds longest_wait{5'000};
  /// A watch that fails for so long is begun anew, with a listing.
  static constexpr std::chrono::seconds longest_without_watch{15};

  explicit store_follower(random_source& random) : random_(random) {
  }

  // -- what comes in ---------------------------------------------------------

  /// Again, if the store was opened anew: what was under way then counts as
  /// not made, and whoever asked for it sees in what is told whether it was.
  std::optional<outcome> opened(time_point now);
  void listed(const store_result<store_page>& page, time_point now);
  void told(const store_result<store_news>& news, time_point now);
  std::optional<outcome>
  changed(const store_result<change_outcome>& result, time_point now);
  void on_time(time_point now);

  // -- changing --------------------------------------------------------------

  /// Nothing is under way, and what made the last change fail has been told.
  bool can_change() const;
  /// A condition: the entry is as it was told, or as this follower wrote it.
  store_condition as_known(const std::string& key) const;
  /// Nothing will be changed on what was told of the entry.
  void forget(const std::string& key);
  /// How many entries it remembers.
  std::size_t size() const {
    return known_.size() + (listing_ ? listing_->size() : 0);
  }
  void change(std::vector<store_condition> conditions,
              std::vector<store_write> writes);

  // -- what goes out ---------------------------------------------------------

  std::vector<step> take_steps();
  std::vector<entry_news> take_news();
  time_point next_time() const;

  bool loaded() const {
    return loaded_;
  }
  /// Reads all of it once more, unless it does: a watch may be late and not
  /// know it.
  void read_again(time_point now);
  /// When the last reading that has ended was begun; nothing: none has ended.
  std::optional<time_point> read_since() const {
    return read_since_;
  }
  /// All up to it has been told.
  store_revision revision() const {
    return revision_;
  }
  /// Changes are heard of, or what there is is being read.
  bool hears() const {
    return watch_trouble_.empty() && !(listing_ && !call_trouble_.empty());
  }
  /// What the store last failed with; empty: it works.
  std::string trouble() const;

private:
  void begin_listing(time_point now);
  void finish_listing(store_revision at);
  void take_event(const store_event& event);
  duration wait_after_failure();

  random_source& random_;
  std::vector<step> steps_;
  std::vector<entry_news> news_;

  bool loaded_ = false;
  store_revision revision_ = 0;
  std::map<std::string, store_revision> known_; ///< entries, by key
  /// While it is listed: what has been read so far.
  std::optional<std::map<std::string, store_revision>> listing_;
  store_range next_page_;
  time_point listing_since_{};
  std::optional<time_point> read_since_;

  std::optional<store_change> under_way_;
  store_revision tell_first_ = 0; ///< before another change
  std::optional<time_point> list_at_;
  std::optional<time_point> change_at_;
  std::chrono::milliseconds wait_{first_wait};
  std::string call_trouble_;
  std::string watch_trouble_;
};

} // namespace weft
