// What is to happen at which time.
#pragma once

#include "protocol/base/time.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

namespace weft {

/// Names a deadline.  That of one that has passed, or was called off, or that
/// nobody gave, names nothing any more.
struct deadline_id {
  time_point when{};
  std::uint64_t number = 0;

  explicit operator bool() const {
    return number != 0;
  }
  auto operator<=>(const deadline_id&) const = default;
};

/// Has no clock, and no thread: whoever has both asks what is next.
class deadline_queue {
public:
  using action = std::function<void()>;

  /// `owner` is whoever is meant by remove_all().
  deadline_id add(time_point when, const void* owner, action what);
  void remove(const deadline_id& which) {
    entries_.erase(which);
  }
  void remove_all(const void* owner);

  /// When the next one is due.
  std::optional<time_point> next() const {
    return entries_.empty() ? std::nullopt
                            : std::optional{entries_.begin()->first.when};
  }

  /// Calls those that are due at `now` in their order, but none that was added
  /// by one of them.  Returns whether there were any.
  bool call_due(time_point now);

private:
  struct entry {
    const void* owner;
    action what;
  };

  std::map<deadline_id, entry> entries_;
  std::uint64_t last_number_ = 0;
};

} // namespace weft
