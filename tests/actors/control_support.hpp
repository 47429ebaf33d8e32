// What the tests of remote control share: a gateway before a fake overlay, a
// program that connects to it, and a raw client that may misbehave.
#pragma once

#include "actors/control/client/connect.hpp"
#include "actors/control/server/gateway.hpp"
#include "messages/errors.hpp"
#include "tests/actors/line_sink.hpp"
#include "tests/actors/support.hpp"
#include "tests/platform/support.hpp"

#include <caf/io/all.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

namespace weft::test {

using namespace std::chrono_literals;

/// A gateway on a Unix socket.
class served_overlay {
public:
  explicit served_overlay(gateway_limits limits = {}) {
    options.interface = "weft0";
    options.socket_path = folder.path() + "/weft0.sock";
    options.log = std::make_shared<spdlog::logger>("test", log);
    options.log->set_level(spdlog::level::debug);
    options.limits = limits;
  }
  ~served_overlay() {
    if (gateway)
      stop();
  }

  void start() {
    auto started = start_gateway(home.system(), overlay.handle(), options);
    if (!started)
      FAIL(started.error().message);
    gateway = *started;
  }
  void stop() {
    caf::anon_send(gateway, shut_down{});
    CHECK(home.await_end(gateway) == caf::exit_reason::user_shutdown);
    gateway = nullptr;
  }
  gateway_report report() {
    return home.ask<gateway_report>(gateway, gateway_report_request{});
  }
  bool logs(const std::string& part) {
    return eventually([&] { return log->count(part) > 0; });
  }
  control_target target() const {
    return local_target{options.socket_path};
  }
  /// Before start(): its time is what the test makes it.
  void go_by_hand() {
    clock = std::make_shared<manual_clock>();
    options.sources.clock = clock;
  }
  /// Whether `condition` comes true as the gateway's time passes, `step` by
  /// `step`; it sees each of them.
  template <class Condition>
  bool comes_true(duration step, Condition condition) {
    return eventually([&] {
      clock->advance(step);
      report();
      return condition();
    });
  }

  temporary_folder folder;
  std::shared_ptr<manual_clock> clock; ///< null: the host's
  std::shared_ptr<line_sink> log = std::make_shared<line_sink>();
  gateway_options options;
  world home;
  fake<overlay_root_actor> overlay{home};
  gateway_actor gateway;
};

/// Another program, with an actor system of its own.
class program : public world {
public:
  program()
    : world([](caf::actor_system_config& config) {
        weft::configure(config);
        config.load<caf::io::middleman>();
      }) {
  }

  overlay_actor
  connect(const control_target& where, connect_options options = {}) {
    auto connected = connect_overlay(system(), where, std::move(options));
    if (!connected)
      FAIL(connected.error().message);
    return *connected;
  }

  /// An actor that records states.
  connection_watcher watcher(const message_log_ptr& states) {
    return system().spawn([states](connection_watcher::pointer)
                            -> connection_watcher::behavior_type {
      return {[states](const connection_state& state) { states->push(state); }};
    });
  }
  /// An actor that records batches, and answers them at once.
  event_subscriber subscriber(const message_log_ptr& batches) {
    return system().spawn(
      [batches](event_subscriber::pointer) -> event_subscriber::behavior_type {
        return {[batches](const event_batch& batch) { batches->push(batch); }};
      });
  }
};

/// Soon tries again, and takes no busy machine for a silent daemon.
inline connect_options quick(connection_watcher watcher = {}) {
  connect_options options;
  options.watcher = std::move(watcher);
  options.attempt = 30s;
  options.first_pause = 20ms;
  options.longest_pause = 50ms;
  return options;
}

inline public_key key_with(std::uint8_t byte) {
  public_key key;
  key.bytes[0] = std::byte{byte};
  return key;
}

} // namespace weft::test
