#include "tools/weftd/logging.hpp"

#include "actors/log_level.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

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

} // namespace

std::shared_ptr<spdlog::logger> make_logger(const log_config& config) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>("weftd", std::move(sink));
  if (config.format == log_format::json)
    logger->set_formatter(std::make_unique<json_formatter>());
  else
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l: %v");
  logger->set_level(to_spdlog(config.level));
  logger->flush_on(spdlog::level::warn);
  return logger;
}

} // namespace weft
