// A part of the terminal that is drawn again and again, and left as it was
// found.
#pragma once

#include "tools/weft/view/top_screen.hpp"

#include <iosfwd>
#include <memory>
#include <optional>
#include <string_view>

namespace weft {

/// Of the terminal that is standard output; nothing: it is none.
std::optional<std::size_t> standard_output_columns();

class live_screen {
public:
  /// Shows itself on `out`, whose terminal is `shown`; what is typed on `typed`
  /// can be read character by character meanwhile.  Neither needs to be one.
  live_screen(std::ostream& out, int shown, int typed);
  live_screen(const live_screen&) = delete;
  live_screen& operator=(const live_screen&) = delete;
  ~live_screen();

  /// 80x24 if the terminal does not know.
  screen_size size() const;

  /// Replaces what is shown by lines of at most size().
  void draw(std::string_view lines);

  /// Gives the terminal back, and takes it again.
  void leave();
  void enter();

private:
  struct typing;

  std::ostream& out_;
  int shown_;
  std::unique_ptr<typing> typing_;
  bool entered_ = false;
};

} // namespace weft
