// Where to look for a peer that does not answer: at the endpoint that was
// configured, and at the one that it was last heard from, in turns.  A
// deviation from the paper (section 2.1), where the latest source alone counts:
// a peer that came home, and waits to be spoken to, would not be found.
#pragma once

#include "protocol/base/ip.hpp"

#include <optional>

namespace weft {

class endpoint_turns {
public:
  /// Nothing: there is only where it was heard from.
  void configure(const std::optional<endpoint>& where) {
    configured_ = where;
    other_.reset();
  }

  const std::optional<endpoint>& configured() const {
    return configured_;
  }

  /// Where to try next, after nobody answered at `silent`.  Nothing: there is
  /// no other place.
  std::optional<endpoint> next(const endpoint& silent) {
    if (!configured_)
      return std::nullopt;
    if (silent == *configured_)
      return other_;
    other_ = silent;
    return configured_;
  }

private:
  std::optional<endpoint> configured_;
  std::optional<endpoint> other_; ///< that it was heard from
};

} // namespace weft
