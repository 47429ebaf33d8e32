// Watches over the actor system of one role: makes it when the first client
// comes, replaces it when it hangs, and ends it when nobody needs it.
#pragma once

#include "actors/control/server/role_system.hpp"
#include "protocol/base/time.hpp"

#include <spdlog/logger.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace weft {

struct supervisor_times {
  std::chrono::milliseconds probe{2000};    ///< from one sign of life on
  std::chrono::milliseconds patience{6000}; ///< until it is given up
  std::chrono::milliseconds rest{60'000};   ///< without clients, until it ends
};

class role_supervisor {
public:
  /// Systems that hang are replaced so often; then the role is refused.
  static constexpr unsigned most_replaced = 8;

  /// What the gateway gives to all of them.
  struct surroundings {
    overlay_actor overlay;
    std::shared_ptr<system_reaper> reaper;
    std::shared_ptr<spdlog::logger> log;
    std::shared_ptr<const time_source> clock;
    supervisor_times times;
    /// To be called with role and generation when a system shows that it
    /// lives, on any thread.
    std::function<void(control_role, std::uint64_t)> alive;
  };

  role_supervisor(control_role role, surroundings given);
  role_supervisor(role_supervisor&&) = default;
  ~role_supervisor();

  /// Ends the system.
  void close() {
    end();
    given_.overlay = nullptr;
  }

  /// The system, made now if there is none.
  result<role_system*> get(time_point now);

  void client_came() {
    ++clients_;
  }
  void client_left(time_point now);
  std::size_t clients() const {
    return clients_;
  }

  /// The system of `generation` lives.
  void is_alive(std::uint64_t generation, time_point now);

  enum class health : std::uint8_t {
    fine,
    hung, ///< all its clients are to be closed, then abandon() called
  };
  health check(time_point now);
  void abandon();
  /// When to call check() at the latest; nothing: there is no system.
  std::optional<time_point> next_check() const;

private:
  void end();

  control_role role_;
  surroundings given_;
  std::unique_ptr<role_system> system_;
  std::uint64_t generation_ = 0;
  std::size_t clients_ = 0;
  unsigned replaced_ = 0;
  time_point alive_{};    ///< its last sign of life
  bool asked_ = false;    ///< for the next one
  time_point deadline_{}; ///< for that one
  bool warned_ = false;   ///< it has passed once
  time_point left_{};     ///< when the last client left
};

} // namespace weft
