// `weft top`: what its user wants to see of the peers, as keys tell it.
#pragma once

#include "tools/weft/view/top_screen.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

enum class top_order : std::uint8_t {
  traffic,   ///< the busiest first
  state,     ///< the worst first
  name,      ///< those without one last
  handshake, ///< the latest first
};

/// `traffic`, as in the enumeration.
std::string_view to_string(top_order order);

class top_view {
public:
  enum class wish : std::uint8_t { nothing, redraw, quit };

  /// What was typed at once: letters, or escape sequences of arrow keys.
  wish type(std::string_view keys);

  /// The peers that are to be seen, in their order.
  std::vector<const top_peer*> choose(const std::vector<top_peer>& all) const;

  /// How many of `count` peers are above the screen, which has room for `room`.
  /// Scrolling beyond either end ends there.
  std::size_t scroll_to(std::size_t count, std::size_t room);

  bool shows_help() const {
    return helps_;
  }
  /// What was said about order and filter; empty if nothing was.
  std::string describe() const;

private:
  wish press(char key);
  wish filter_key(char key);
  wish move(std::string_view sequence);
  void scroll(std::size_t peers, bool down);

  top_order order_ = top_order::traffic;
  std::string filter_; ///< empty: all
  bool types_filter_ = false;
  bool helps_ = false;
  std::size_t first_ = 0;
  std::size_t page_ = 1; ///< peers on the screen, when it was last drawn
};

/// Lines of help.
std::vector<std::string> top_help();

} // namespace weft
