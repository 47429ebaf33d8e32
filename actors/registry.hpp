// The registry: sole owner of the peers, of the allowed IPs and of the index
// space.  When something changes it publishes an immutable snapshot; readers
// route with the snapshot they hold, so no packet waits for it.
#pragma once

#include "actors/io_loop.hpp"
#include "actors/peer.hpp"
#include "messages/routes.hpp"

#include <spdlog/logger.h>

#include <set>
#include <unordered_map>

namespace weft {

/// An I/O loop that peers may live on, with what they share there.
struct packet_loop {
  io_loop_ptr loop;
  workspace_ptr space;
  timer_actor timer;
};

/// Whom the registry tells of changes.
struct registry_neighbours {
  tun_reader_actor reader;
  udp_port_actor socket;
  handshake_gate_actor gate;
  resolver_actor resolver;
  event_hub_actor events;
};

class registry : public hosted<registry_actor::base> {
public:
  registry(caf::actor_config& config, io_loop_ptr loop,
           std::vector<packet_loop> placements, registry_neighbours neighbours,
           std::shared_ptr<const receiver_index_codec> indices,
           change_identity us, std::shared_ptr<spdlog::logger> log);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  /// A peer's place, whether it is in use or not.
  struct slot_entry {
    peer_actor actor; ///< null: free
    peer_settings settings;
    std::optional<endpoint_config> configured_endpoint;
    std::set<ip_prefix> allowed;
    std::shared_ptr<peer_memory> memory;
    std::uint64_t restarts = 0;
    time_point started{};
    /// Its name is being looked up, or will be again.  One of the two at most.
    bool looking_up = false;
    std::optional<time_point> look_up_again{};
  };

  // registry.cpp
  caf::result<config_changes> apply(const device_update& update);
  caf::result<config_changes> change_peer_of(const change_existing_peer& asked);
  bool has_room_for(const device_update& update) const;
  /// A name that two peers would have then.
  std::optional<std::string> doubled_name(const device_update& update) const;
  void apply_peer(const peer_update& update, config_changes& changes);
  std::uint32_t add_peer(const peer_update& update);
  void announce(const slot_entry& entry);
  void
  tell_event(event_kind kind, const slot_entry& entry, std::string reason = {});
  bool change_existing(std::uint32_t slot, const peer_update& update);
  bool change_allowed_ips(std::uint32_t slot, const peer_update& update,
                          config_changes& changes);
  void remove_peer(std::uint32_t slot);
  void remove_all_peers();
  void spawn_peer(std::uint32_t slot);
  void peer_ended(const caf::down_msg& down);
  void start_again(const restart_peer& request);
  /// `HOST:PORT` if the endpoint is a name, else empty.
  static std::string host_text(const endpoint_config& where);
  void resolve(std::uint32_t slot, const endpoint_config& where);
  void set_resolved(const endpoint_resolved& resolved);
  void lookup_failed(const endpoint_not_found& failure);
  void resolve_again(const lookup_due& due);
  void try_another_address(const endpoint_unanswered& unanswered);
  /// The peer that still wants this name, if it does.
  slot_entry* entry_wanting(const public_key& key, const host_endpoint& host);
  void set_identity(const change_identity& changed);
  const packet_loop& placement_of(std::uint32_t slot) const;
  template <class Message>
  void tell_peers(const Message& message);
  void publish();
  caf::result<registry_report> report(const report_request& request);
  caf::result<bool> handshake_since(const check_handshake& asked);
  peer_configurations configuration() const;

  std::vector<packet_loop> placements_;
  registry_neighbours neighbours_;
  std::shared_ptr<const receiver_index_codec> indices_;
  change_identity us_;
  std::shared_ptr<spdlog::logger> log_;

  std::vector<slot_entry> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::unordered_map<public_key, std::uint32_t> by_key_;
  std::unordered_map<caf::actor_addr, std::uint32_t> by_address_;
  allowed_ips prefixes_;
  peer_table table_;
  peer_entries_changed new_entries_; ///< since the last publication
};

} // namespace weft
