// The mistakes of one file, collected while it is read.
#pragma once

#include "config/yaml.hpp"

#include <algorithm>
#include <utility>

namespace weft {

/// Keeps the first errors and counts all of them, so that garbage does not
/// fill the memory with complaints.
class error_list {
public:
  static constexpr std::size_t max_kept = 10'000;

  void add(config_error error) {
    if (++count_ <= max_kept)
      errors_.push_back(std::move(error));
  }
  bool empty() const {
    return count_ == 0;
  }
  /// Whether further errors are only counted: no need to word them well.
  bool is_full() const {
    return count_ >= max_kept;
  }
  std::size_t count() const {
    return count_;
  }

  /// In the order of their places; a last one says how many were left out.
  config_errors take() {
    std::stable_sort(
      errors_.begin(), errors_.end(), [](const auto& a, const auto& b) {
        return std::pair{a.line, a.column} < std::pair{b.line, b.column};
      });
    if (count_ > max_kept)
      errors_.push_back(
        {errors_.front().file, 0, 0, "",
         "and " + std::to_string(count_ - max_kept) + " more errors"});
    return std::move(errors_);
  }

private:
  config_errors errors_;
  std::size_t count_ = 0;
};

} // namespace weft
