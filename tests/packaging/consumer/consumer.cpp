// Runs an overlay without privileges, asks it for its status, and ends it.
#include "config/yaml.hpp"

#include <weft/weft.hpp>
#ifdef WITH_METRICS
#  include <weft/metrics.hpp>
#endif

#include <chrono>
#include <iostream>

namespace {

static_assert(own_setting == 7);

#ifdef WITH_METRICS
bool serves_metrics(caf::actor_system& system,
                    const weft::overlay_actor& overlay) {
  weft::metrics_options options;
  options.config.listen = weft::parse_endpoint("127.0.0.1:0");
  const auto server = weft::start_metrics(system, overlay, options);
  if (!server)
    return false;
  bool listens = false;
  caf::scoped_actor self{system};
  self
    ->request(*server, std::chrono::seconds{30}, weft::metrics_places_request{})
    .receive(
      [&](const weft::metrics_places& places) {
        listens = places.listen.has_value();
      },
      [](const caf::error&) {});
  return listens;
}
#endif

int run(caf::actor_system& system) {
  weft::system_random random;
  weft::overlay_options options;
  options.config.interface.private_key = weft::generate_private_key(random);
  options.config.interface.listen = *weft::parse_endpoint("127.0.0.1:0");
  options.device = weft::use_packet_port{};
  const auto key
    = weft::derive_public_key(options.config.interface.private_key);
  auto started = weft::start_overlay(system, std::move(options));
  if (!started) {
    std::cerr << started.error().message << '\n';
    return 1;
  }
  int result = 1;
  caf::scoped_actor self{system};
  self->request(started->actor, std::chrono::seconds{30}, weft::get_status{})
    .receive(
      [&](const weft::device_status& status) {
        result = status.public_key == key ? 0 : 1;
      },
      [](const caf::error& why) {
        std::cerr << weft::error_message(why) << '\n';
      });
#ifdef WITH_METRICS
  if (serves_metrics(system, started->actor))
    std::cout << "its metrics are served\n";
#endif
  caf::anon_send(started->actor, weft::shut_down{});
  // This system has no middleman, which connections need.
  if (weft::connect_overlay(system, weft::local_target{"/nowhere.sock"}))
    result = 1;
  return result;
}

} // namespace

int main() {
  caf::actor_system_config config;
  weft::configure(config);
  caf::actor_system system{config};
  const int result = run(system);
  if (result == 0)
    std::cout << "an overlay ran\n";
  return result;
}
