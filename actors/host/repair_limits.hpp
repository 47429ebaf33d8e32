// How often what others take away is put back: two managers of one host do not
// fight for ever.
#pragma once

#include "actors/host/host_plan.hpp"
#include "protocol/base/time.hpp"

#include <map>
#include <optional>

namespace weft {

/// When to look at the host, and what may be put back then.
class repair_limits {
public:
  /// Others finish first what they are about.
  static constexpr duration settling = std::chrono::milliseconds{250};
  /// From one look to the next.
  static constexpr duration between_looks = std::chrono::milliseconds{500};
  /// From one time to the next that a rule is put back.
  static constexpr duration between_rules = std::chrono::seconds{5};
  /// So often a thing is put back, and then it is left to whoever takes it
  /// away...
  static constexpr unsigned most_repairs = 5;
  /// ... until this long has passed since.
  static constexpr duration peace = std::chrono::minutes{10};

  /// When to look, of a change that is noticed now.
  time_point next_look(time_point now) const;
  void looked(time_point now);

  /// When a thing that is missing may be put back: not later than `now` means
  /// at once.
  time_point due(const host_need& what, time_point now) const;
  /// It was put back.  True: for the last time.
  bool note(const host_need& what, time_point now);

  /// As new: somebody has given an order, or the link came up.
  void reset() {
    *this = {};
  }

private:
  struct repairs {
    unsigned count = 0;
    time_point last{};
  };

  std::optional<time_point> looked_;
  std::map<host_need, repairs> repairs_; ///< those within `peace`
};

} // namespace weft
