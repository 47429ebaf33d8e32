// Lines about single messages (`debug`) and dropped packets (`trace`): a
// bounded number of them, and with the level off they cost a comparison.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "protocol/base/token_bucket.hpp"
#include "protocol/tunnel/drop_reason.hpp"

#include <spdlog/logger.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

namespace weft {

/// Used on its loop's thread only.
class detail_log {
public:
  using level = spdlog::level::level_enum;

  /// So many lines at once, and then so many a second.
  static constexpr unsigned burst = 500;
  static constexpr unsigned lines_per_second = 100;

  /// `log` may be null: then nothing is wanted.
  detail_log(std::shared_ptr<spdlog::logger> log, io_loop_ptr loop)
    : log_(std::move(log)), loop_(std::move(loop)) {
  }

  bool wants(level wanted) const {
    return log_ != nullptr && log_->should_log(wanted);
  }
  /// `format` makes the text, and is called only if it is wanted.
  template <class Format>
  void line(level wanted, const Format& format) {
    if (wants(wanted) && has_room(wanted))
      log_->log(wanted, "{}", std::string{format()});
  }

private:
  /// Says how many lines were left out once there is room again.
  bool has_room(level wanted);

  std::shared_ptr<spdlog::logger> log_;
  io_loop_ptr loop_; ///< whose clock it is
  token_bucket lines_{burst,
                      duration{std::chrono::seconds{1}} / lines_per_second};
  std::uint64_t left_out_ = 0;
};

/// Tells of drops.  `who` comes first in each line, as in `peer beta: `.
class drop_log final : public drop_watcher {
public:
  drop_log(std::shared_ptr<detail_log> lines, std::string who)
    : lines_(std::move(lines)), who_(std::move(who)) {
  }

  void rename(std::string who) {
    who_ = std::move(who);
  }
  void dropped(drop_reason reason, std::uint64_t packets,
               const drop_context& context) override {
    if (lines_ != nullptr && lines_->wants(spdlog::level::trace))
      tell(reason, packets, context);
  }

private:
  void
  tell(drop_reason reason, std::uint64_t packets, const drop_context& context);

  std::shared_ptr<detail_log> lines_; ///< null: none
  std::string who_;
};

/// The first characters of a key, for people.
std::string shortened(const std::string& key);

} // namespace weft
