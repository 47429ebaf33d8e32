#include "tools/weftd/logging.hpp"

#include "actors/overlay/log_level.hpp"
#include "platform/line_writer.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/sink.h>

#include <mutex>

namespace weft {

namespace {

std::string utc_time(spdlog::log_clock::time_point when) {
  const auto seconds = spdlog::log_clock::to_time_t(when);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  const auto milliseconds
    = std::chrono::duration_cast<std::chrono::milliseconds>(
        when.time_since_epoch())
        .count()
      % 1000;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                     parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec, milliseconds);
}

class json_formatter final : public spdlog::formatter {
public:
  void format(const spdlog::details::log_msg& message,
              spdlog::memory_buf_t& out) override {
    const auto level = spdlog::level::to_string_view(message.level);
    const nlohmann::ordered_json line{
      {"time", utc_time(message.time)},
      {"level", std::string(level.data(), level.size())},
      {"message", std::string(message.payload.data(), message.payload.size())}};
    const auto text
      = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
        + '\n';
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<json_formatter>();
  }
};

constexpr int standard_error = 2;

std::string
to_line(spdlog::formatter& formatter, const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t out;
  formatter.format(message, out);
  return {out.data(), out.size()};
}

/// Has the lines written by a thread of their own: who logs never waits for
/// who reads.
class unhurried_sink final : public spdlog::sinks::sink {
public:
  explicit unhurried_sink(const spdlog::formatter& formatter)
    : formatter_(formatter.clone()),
      writer_(standard_error, [own = std::shared_ptr{formatter.clone()}](
                                std::size_t lost) {
        const auto text
          = fmt::format("{} lines of the log were lost: it is not "
                        "read, or its disk is full",
                        lost);
        return to_line(*own, {"weftd", spdlog::level::warn,
                              spdlog::string_view_t{text.data(), text.size()}});
      }) {
  }

  void log(const spdlog::details::log_msg& message) override {
    const std::lock_guard guard{mutex_};
    writer_.add(to_line(*formatter_, message));
  }
  /// Waits for a moment at most, and without the mutex: only its caller does.
  void flush() override {
    writer_.drain(line_writer::patience);
  }
  void set_pattern(const std::string& pattern) override {
    set_formatter(std::make_unique<spdlog::pattern_formatter>(pattern));
  }
  void set_formatter(std::unique_ptr<spdlog::formatter> formatter) override {
    const std::lock_guard guard{mutex_};
    formatter_ = std::move(formatter);
  }

private:
  std::mutex mutex_; ///< of the formatter, which keeps the second it was at
  std::unique_ptr<spdlog::formatter> formatter_;
  line_writer writer_;
};

std::unique_ptr<spdlog::formatter> formatter_for(log_format format) {
  if (format == log_format::json)
    return std::make_unique<json_formatter>();
  return std::make_unique<spdlog::pattern_formatter>(
    "%Y-%m-%dT%H:%M:%S.%e%z %l: %v");
}

} // namespace

std::shared_ptr<spdlog::logger> make_logger(const log_config& config) {
  auto sink = std::make_shared<unhurried_sink>(*formatter_for(config.format));
  auto logger = std::make_shared<spdlog::logger>("weftd", std::move(sink));
  logger->set_level(to_spdlog(config.level));
  return logger;
}

} // namespace weft
