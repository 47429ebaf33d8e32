// A socket that connections come in by, on a loop.
#pragma once

#include "actors/loop/io_loop.hpp"

#include <functional>

namespace weft {

/// Accepts as long as there are connections to take.
class listener final : private descriptor_handler {
public:
  /// How long it is left alone after it has given a connection that could not
  /// be taken, such as for want of descriptors: it would wake the loop again
  /// and again.
  static constexpr std::chrono::milliseconds pause{200};
  /// Connections that are taken at a time.
  static constexpr int most_at_a_time = 16;

  struct owner {
    /// Takes a connection, if it can.
    std::function<bool()> accept;
    /// check() is to be called then.
    std::function<void(time_point)> rests;
    /// accept() threw.
    std::function<void()> failed;
  };

  /// The descriptor is the caller's, and stays open longer.
  listener(io_loop& loop, int descriptor, owner told);
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;
  ~listener();

  void check(time_point now);

private:
  void ready(bool readable, bool writable) override;
  void failed() override {
    owner_.failed();
  }

  io_loop& loop_;
  int descriptor_;
  owner owner_;
  std::optional<time_point> rests_until_;
};

} // namespace weft
