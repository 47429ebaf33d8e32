// Metrics as Prometheus reads them: its text format 0.0.4, a family after the
// other, each with what it is and of what type.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

enum class metric_type : std::uint8_t {
  counter, ///< only grows, until the node is started again
  gauge,
};

/// What all samples of one name have in common.
struct metric_family {
  std::string_view name;
  metric_type type{};
  std::string_view help; ///< a sentence, without characters to be escaped
};

/// `{interface="weft0",...}`, with the values escaped.
class metric_labels {
public:
  metric_labels(
    std::initializer_list<std::pair<std::string_view, std::string_view>>
      labels);
  void add(std::string_view name, std::string_view value);
  std::string text() const {
    return text_ + '}';
  }

private:
  std::string text_ = "{";
};

/// Collects samples in any order, and writes them by family.
class exposition {
public:
  static constexpr std::string_view content_type
    = "text/plain; version=0.0.4; charset=utf-8";

  /// The table lives longer.
  explicit exposition(std::span<const metric_family> families)
    : families_(families), samples_(families.size()) {
  }

  /// A sample of the family with this place in the table.
  void add(std::size_t family, std::string_view labels, std::uint64_t value);

  /// A time, in seconds.
  void add(std::size_t family, std::string_view labels,
           std::chrono::microseconds value);

  /// All families in the order of the table; those without samples are left
  /// out.
  std::string text() const;

private:
  void
  add_line(std::size_t family, std::string_view labels, std::string_view value);

  std::span<const metric_family> families_;
  std::vector<std::string> samples_; ///< for each family, as lines
};

} // namespace weft
