#include "tools/weft/view/live_screen.hpp"

#include "platform/terminal.hpp"

#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <ostream>
#include <string>

namespace weft {

namespace {

// ECMA-48, and what xterm and all its likes add to it.
constexpr std::string_view other_screen = "\x1B[?1049h";
constexpr std::string_view usual_screen = "\x1B[?1049l";
constexpr std::string_view hide_cursor = "\x1B[?25l";
constexpr std::string_view show_cursor = "\x1B[?25h";
constexpr std::string_view cut_lines = "\x1B[?7l";
constexpr std::string_view wrap_lines = "\x1B[?7h";
constexpr std::string_view go_home = "\x1B[H";
constexpr std::string_view erase_line = "\x1B[K";
constexpr std::string_view erase_below = "\x1B[J";

} // namespace

/// The terminal that is typed on.
struct live_screen::typing {
  int fd = -1;
  bool is_terminal = false;
  termios before{};

  explicit typing(int from) : fd(from) {
  }
  void begin() {
    is_terminal = ::tcgetattr(fd, &before) == 0;
    if (!is_terminal)
      return;
    auto now = before;
    now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    now.c_cc[VMIN] = 1;
    now.c_cc[VTIME] = 0;
    ::tcsetattr(fd, TCSANOW, &now);
  }
  void end() const {
    if (is_terminal)
      ::tcsetattr(fd, TCSANOW, &before);
  }
};

std::optional<std::size_t> standard_output_columns() {
  if (::isatty(STDOUT_FILENO) == 0)
    return std::nullopt;
  const auto size = size_of_terminal(STDOUT_FILENO);
  return size ? size->columns : screen_size{}.columns;
}

live_screen::live_screen(std::ostream& out, int shown, int typed)
  : out_(out), shown_(shown), typing_(std::make_unique<typing>(typed)) {
  enter();
}

live_screen::~live_screen() {
  leave();
}

screen_size live_screen::size() const {
  const auto known = size_of_terminal(shown_);
  return known ? screen_size{known->columns, known->rows} : screen_size{80, 24};
}

void live_screen::enter() {
  if (entered_)
    return;
  entered_ = true;
  typing_->begin();
  out_ << other_screen << hide_cursor << cut_lines << go_home << erase_below
       << std::flush;
}

void live_screen::leave() {
  if (!entered_)
    return;
  entered_ = false;
  out_ << wrap_lines << show_cursor << usual_screen << std::flush;
  typing_->end();
}

void live_screen::draw(std::string_view lines) {
  // A line end after the last line would scroll a full screen.
  if (lines.ends_with('\n'))
    lines.remove_suffix(1);
  std::string text{go_home};
  // Erased before it is written: behind a line that is as wide as the screen,
  // the cursor is still on its last character.
  for (auto end = lines.find('\n'); end != std::string_view::npos;
       end = lines.find('\n')) {
    text += erase_line;
    text += lines.substr(0, end);
    text += "\r\n";
    lines.remove_prefix(end + 1);
  }
  text += erase_below;
  text += lines;
  out_ << text << std::flush;
}

} // namespace weft
