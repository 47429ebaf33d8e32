// A registry for tests, and words to tell it of changes.
#pragma once

#include "actors/peers/registry.hpp"
#include "tests/actors/line_sink.hpp"
#include "tests/actors/node.hpp"

namespace weft::test {

using namespace std::chrono_literals;

inline public_key key_number(unsigned number) {
  public_key key;
  store_le(key.bytes.data(), number + 1);
  return key;
}

inline device_update update_of(std::vector<patch<peer_config>> peers) {
  device_update update;
  update.peers = std::move(peers);
  return update;
}

inline patch<peer_config>
with(const public_key& key, const std::vector<std::string>& prefixes = {}) {
  patch<peer_config> update;
  update.public_key = key;
  for (const auto& prefix : prefixes)
    update.allowed_ips.push_back({prefix_of(prefix)});
  return update;
}

inline patch<peer_config> without(const public_key& key) {
  patch<peer_config> update;
  update.public_key = key;
  update.verb = peer_verb::remove;
  return update;
}

/// A registry with real peers, on a node whose neighbours are fakes.
struct registered {
  registered()
    : us(home, loop.loop, 1),
      list(home.spawn<registry>(
        loop.loop,
        std::vector{lane{loop.loop,
                         us.space,
                         us.clock.handle(),
                         {reader.handle()},
                         us.writer,
                         us.socket.handle()}},
        registry_neighbours{gate.handle(),
                            names.handle(),
                            us.events.handle(),
                            {},
                            {},
                            [this](const ip_address& where) {
                              return behind_own_tunnel.contains(where);
                            }},
        us.indices, change_identity{us.self, true},
        std::make_shared<spdlog::logger>("test", lines))) {
  }

  /// Applies a change and takes the snapshot that follows it.
  void apply(const device_update& update) {
    reader.take<routes_changed>();
    us.socket.take<routes_changed>();
    changes = home.ask<config_changes>(list, update);
    snapshot = reader.next<routes_changed>().snapshot;
    CHECK(us.socket.next<routes_changed>().snapshot == snapshot);
  }
  void apply(std::vector<patch<peer_config>> peers) {
    apply(update_of(std::move(peers)));
  }
  std::vector<peer_status> report(bool secrets = false) {
    return home.ask<registry_report>(list, report_request{secrets}).peers;
  }
  peer_status status_of(const public_key& key, bool secrets = false) {
    for (auto& status : report(secrets)) {
      if (status.public_key == key)
        return status;
    }
    FAIL("there is no such peer");
    return {};
  }
  std::vector<public_key> keys() {
    std::vector<public_key> all;
    for (const auto& status : report())
      all.push_back(status.public_key);
    return all;
  }
  std::optional<std::uint32_t> slot_of(const std::string& text) const {
    return snapshot->slot_of(*parse_ip_address(text));
  }
  peer_actor actor_of(const std::string& text) const {
    const auto slot = slot_of(text);
    const auto* actor = slot ? snapshot->peer(*slot) : nullptr;
    if (actor == nullptr)
      throw std::logic_error("nobody has " + text);
    return *actor;
  }
  /// What the gate knows, newest last.
  std::vector<peer_entry> entries() {
    home.ask<registry_report>(list, report_request{});
    gate.settle();
    std::vector<peer_entry> all;
    for (auto& changed : gate.take<peer_entries_changed>())
      all.insert(all.end(), changed.entries.begin(), changed.entries.end());
    return all;
  }

  std::shared_ptr<line_sink> lines = std::make_shared<line_sink>(); ///< logged
  std::set<ip_address> behind_own_tunnel;
  world home{run_by::hand};
  test_loop loop = home.start_loop();
  node us;
  fake<tun_reader_actor> reader{home};
  fake<handshake_gate_actor> gate{home};
  fake<resolver_actor> names{home};
  registry_actor list;
  routes_ptr snapshot;
  config_changes changes; ///< of the last apply()
};

inline const auto first = key_number(1);
inline const auto second = key_number(2);
inline const auto third = key_number(3);

using prefixes = std::vector<ip_prefix>;

inline prefixes sorted(prefixes all) {
  std::sort(all.begin(), all.end());
  return all;
}

} // namespace weft::test
