// Text that must not stay in memory: keys as PEM.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace weft {

/// Wiped when it ends.  It has one owner, and is neither printed nor logged
/// unless somebody asks for its view().
class secret_text {
public:
  secret_text() = default;
  /// Room for `size` characters.
  explicit secret_text(std::size_t size) : text_(size) {
  }
  explicit secret_text(std::string_view text)
    : text_(text.begin(), text.end()) {
  }
  secret_text(secret_text&&) noexcept = default;
  secret_text& operator=(secret_text&& other) noexcept;
  secret_text(const secret_text&) = delete;
  secret_text& operator=(const secret_text&) = delete;
  ~secret_text();

  std::string_view view() const {
    return {text_.data(), text_.size()};
  }
  std::span<char> room() {
    return text_;
  }
  /// Forgets all after the first `size` characters.
  void shorten(std::size_t size) noexcept;

private:
  // Not a std::string: one that is moved from may keep its text.
  std::vector<char> text_;
};

} // namespace weft
