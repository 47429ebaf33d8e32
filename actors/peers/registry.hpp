// The registry: sole owner of the peers, of the allowed IPs and of the index
// space.  When something changes it publishes an immutable snapshot; readers
// route with the snapshot they hold, so no packet waits for it.
#pragma once

#include "actors/loop/lane.hpp"
#include "actors/peers/peer.hpp"
#include "messages/overlay.hpp"
#include "messages/registry.hpp"
#include "messages/resolver.hpp"
#include "messages/routes.hpp"

#include <spdlog/logger.h>

#include <functional>
#include <set>
#include <unordered_map>

namespace weft {

/// Whom the registry tells of changes, beside the lanes.
struct registry_neighbours {
  handshake_gate_actor gate;
  resolver_actor resolver;
  event_hub_actor events;
};

class registry : public hosted<registry_actor::base> {
public:
  /// Peers that are asked for their report at a time.
  static constexpr std::size_t most_reporting = 64;

  registry(caf::actor_config& config, io_loop_ptr loop, std::vector<lane> lanes,
           registry_neighbours neighbours,
           std::shared_ptr<const receiver_index_codec> indices,
           change_identity us, std::shared_ptr<spdlog::logger> log);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  /// A peer's place, whether it is in use or not.
  struct slot_entry {
    peer_actor actor;   ///< null: free
    peer_config config; ///< but for its allowed IPs
    /// The configured endpoint; of a name, the address that was found last.
    std::optional<endpoint> address;
    std::set<ip_prefix> allowed;
    session_memory memory;
    std::uint64_t restarts = 0;
    time_point started{};
    /// Its name is being looked up, or will be again.  One of the two at most.
    bool looking_up = false;
    std::optional<time_point> look_up_again{};
  };

  using changes_promise = caf::typed_response_promise<config_changes>;

  /// A change of many peers, which is made in portions: others who live on this
  /// loop have their turn in between.
  struct change_under_way {
    device_update update;
    std::uint32_t next_slot = 0; ///< to be emptied, if peers are replaced
    std::size_t next_peer = 0;   ///< of `update`
    config_changes changes;      ///< so far
    changes_promise promise;
  };

  /// A change on its way to all who must take it over.
  struct publication {
    std::size_t missing = 1; ///< answers to this step; 1 more while asking
    unsigned step = 0;
    bool speaker = false;            ///< whom we speak as has changed
    bool peers_know_speaker = false; ///< they were told beforehand
    std::set<std::uint32_t> losers;  ///< slots that lost prefixes
    std::size_t removed = 0;         ///< peers
    /// Somebody now sends otherwise or receives otherwise, or not at all.
    bool was_busy = false;
    time_point began{};
    std::vector<std::function<void()>> in_force; ///< answer those who asked
  };
  using publication_ptr = std::shared_ptr<publication>;

  /// What all have taken over, or find in their mailboxes.
  struct published_state {
    change_identity speaker;
    routes_ptr snapshot;
  };

  /// A peer that was removed, until it has ended.
  struct ending_peer {
    std::optional<std::uint32_t> slot; ///< nothing: another peer has it
    session_memory memory;
    publication_ptr change; ///< that waits for the end
  };

  // registry.cpp
  caf::result<config_changes> apply(device_update& update);
  void go_on();
  caf::result<config_changes> change_peer_of(const change_existing_peer& asked);
  /// Why it cannot be made, or nothing.
  caf::error check(const device_update& update) const;
  bool has_room_for(const device_update& update) const;
  /// A name that two peers would have then.
  std::optional<std::string> doubled_name(const device_update& update) const;
  void apply_peer(const patch<peer_config>& update, config_changes& changes);
  std::uint32_t add_peer(const patch<peer_config>& update);
  void announce(const slot_entry& entry);
  void
  tell_event(event_kind kind, const slot_entry& entry, std::string reason = {});
  bool change_existing(std::uint32_t slot, const patch<peer_config>& update,
                       config_changes& changes);
  bool change_allowed_ips(std::uint32_t slot, const patch<peer_config>& update,
                          config_changes& changes);
  /// Of a peer with our own key.
  void leave_out(const std::string& name, config_changes& changes);
  void note_loss(std::uint32_t slot);
  void remove_peer(std::uint32_t slot);
  void spawn_peer(std::uint32_t slot);
  void remember(const session_ended& ended);
  void peer_ended(const caf::down_msg& down);
  void start_again(const restart_peer& request);
  /// Looks the configured endpoint up if it is a name.
  void resolve(std::uint32_t slot);
  void set_resolved(const endpoint_resolved& resolved);
  void lookup_failed(const endpoint_not_found& failure);
  void resolve_again(const lookup_due& due);
  void try_another_address(const endpoint_unanswered& unanswered);
  /// The peer that still wants this name, if it does.
  slot_entry* entry_wanting(const public_key& key, const host_endpoint& host);
  caf::result<config_changes> set_identity(const change_identity& changed);
  const lane& lane_of(std::uint32_t slot) const;
  void forget_sources();

  // registry_publish.cpp
  /// What the next publication is gathered in.
  const publication_ptr& gathering();
  template <class Handle, class Message>
  void
  demand(const publication_ptr& change, const Handle& from, Message message);
  void tell(const peer_actor& peer, patch<peer_config> changes);
  void tell_speaker(const publication_ptr& change);
  /// Calls `in_force` once all that has been gathered is that.
  void publish(std::function<void()> in_force = nullptr);
  void acknowledged(const publication_ptr& change);
  void next_step(const publication_ptr& change);
  void finish(const publication_ptr& change);
  void answer_askers(const publication_ptr& change);
  void await_answers();
  void give_up_waiting();
  void end_peer(std::uint32_t slot, bool has_ended);
  bool removed_peer_ended(const caf::actor_addr& who);
  std::uint32_t take_slot();

  // registry_reports.cpp
  struct collection;
  caf::result<registry_report> report(const report_request& request);
  void ask_next_peer(const std::shared_ptr<collection>& all);
  caf::result<bool> handshake_since(const check_handshake& asked);
  peer_configurations configuration() const;

  std::vector<lane> lanes_;
  registry_neighbours neighbours_;
  std::shared_ptr<const receiver_index_codec> indices_;
  change_identity us_;
  std::shared_ptr<spdlog::logger> log_;

  std::vector<slot_entry> slots_;
  std::vector<std::uint32_t> free_slots_;
  /// Of the next session's receiver index, for each slot that ever was in use.
  std::vector<std::uint32_t> generations_;
  std::unordered_map<public_key, std::uint32_t> by_key_;
  std::unordered_map<caf::actor_addr, std::uint32_t> by_address_;
  allowed_ips prefixes_;
  peer_table table_;
  peer_entries_changed new_entries_;           ///< since the last publication
  std::unique_ptr<change_under_way> changing_; ///< null: none
  publication_ptr gathering_;                  ///< null: nothing has changed
  std::vector<publication_ptr> under_way_;     ///< whose askers wait
  published_state published_;
  bool overdue_check_ = false;
  std::unordered_map<caf::actor_addr, ending_peer> ending_;
};

} // namespace weft
