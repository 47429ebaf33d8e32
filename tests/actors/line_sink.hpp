#pragma once

#include <spdlog/sinks/base_sink.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

namespace weft::test {

/// Keeps the lines of a log.
class line_sink final : public spdlog::sinks::base_sink<std::mutex> {
public:
  std::size_t count(const std::string& part) {
    const std::lock_guard guard(mutex_);
    return static_cast<std::size_t>(
      std::count_if(lines_.begin(), lines_.end(), [&](const auto& line) {
        return line.find(part) != std::string::npos;
      }));
  }

private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    lines_.emplace_back(message.payload.begin(), message.payload.end());
  }
  void flush_() override {
  }
  std::vector<std::string> lines_;
};

} // namespace weft::test
