// The registry: sole owner of the peers, of the allowed IPs and of the index
// space.  When something changes it publishes an immutable snapshot; readers
// route with the snapshot they hold, so no packet waits for it.
#pragma once

#include "actors/loop/lane.hpp"
#include "actors/peers/peer.hpp"
#include "actors/peers/peer_directory.hpp"
#include "config/node_memory.hpp"
#include "messages/heap_preparer.hpp"
#include "messages/overlay.hpp"
#include "messages/registry.hpp"
#include "messages/resolver.hpp"
#include "messages/routes.hpp"
#include "messages/state_keeper.hpp"
#include "protocol/base/token_bucket.hpp"

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
  state_keeper_actor keeper{}; ///< null: nothing outlives the process
  node_memory remembered{};    ///< by a process before this one
  /// Whether datagrams to an address would go into this very tunnel.  May be
  /// empty.
  std::function<bool(const ip_address&)> leads_home{};
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
  using slot_number = peer_directory::slot_number;

  /// The actor of the peer that the directory has in a slot.
  struct peer_seat {
    peer_actor actor;   ///< null: the slot is free
    session_ended last; ///< of the actor before
    std::uint64_t restarts = 0;
    time_point started{};
    std::optional<endpoint> heard_at{}; ///< last
    /// Its name is being looked up, or will be again.  One of the two at most.
    bool looking_up = false;
    std::optional<time_point> look_up_again{};
    /// Why it was not found the last time; empty: it was, or was not tried.
    std::string not_found{};
    /// Its addresses, as they were found last.
    std::vector<endpoint> found{};
    /// Of these another one is tried, while nobody answers for the name.
    bool moved_on = false;
    /// A name that is gone: it has addresses from before.  That was told.
    std::optional<host_endpoint> gone{};
    /// Datagrams to it would go into this tunnel.
    std::optional<endpoint> leads_home{};
  };

  using changes_promise = caf::typed_response_promise<config_changes>;

  /// A change of many peers, which is made in portions: others who live on this
  /// loop have their turn in between.
  struct change_under_way {
    device_update update;
    slot_number next_slot = 0; ///< to be emptied, if peers are replaced
    std::size_t next_peer = 0; ///< of `update`
    config_changes changes;    ///< so far
    changes_promise promise;
  };

  /// A change on its way to all who must take it over.
  struct publication {
    std::size_t missing = 1; ///< answers to this step; 1 more while asking
    unsigned step = 0;
    bool speaker = false;            ///< whom we speak as has changed
    bool peers_know_speaker = false; ///< they were told beforehand
    std::set<slot_number> losers;    ///< that lost prefixes
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
    peer_directory::departure departure = 0;
    session_ended last;
    publication_ptr change; ///< that waits for the end
  };

  // registry.cpp: changes
  caf::result<config_changes> apply(device_update& update);
  void go_on();
  caf::result<config_changes> change_peer_of(const change_existing_peer& asked);
  /// Why it cannot be made, or nothing.
  caf::error check(const device_update& update) const;
  void apply_peer(const patch<peer_config>& change, peer_origin origin,
                  config_changes& changes);
  void add_peer(const patch<peer_config>& change, peer_origin origin,
                config_changes& changes);
  void change_known(slot_number slot, const patch<peer_config>& change,
                    peer_origin origin, config_changes& changes);
  bool change_allowed_ips(slot_number slot, const patch<peer_config>& change,
                          config_changes& changes);
  /// Of a peer that another side has, or the network may not have.
  bool is_refused(const patch<peer_config>& change, peer_origin origin,
                  config_changes& changes);
  void note_taken(const std::string& by,
                  const peer_directory::prefix_changes& changed,
                  config_changes& changes);
  /// The network's peers that are called so have another name shown now.
  void show_names(const std::string& name);
  /// Of a peer with our own key.
  void leave_out(const std::string& name, config_changes& changes);
  void remove_peer(slot_number slot);
  void announce(slot_number slot);
  void tell_event(event_kind kind, slot_number slot, std::string reason = {});
  caf::result<config_changes> set_identity(const change_identity& changed);

  // registry_actors.cpp: the peers' actors
  const lane& lane_of(slot_number slot) const;
  /// `saved`: what an earlier process left of it; null: nothing.
  void spawn_peer(slot_number slot,
                  std::shared_ptr<const saved_session> saved = nullptr);
  void end_peer(slot_number slot, peer_directory::departure departure);
  void remember(const session_ended& ended);
  void peer_ended(const caf::down_msg& down);
  bool removed_peer_ended(const caf::actor_addr& who);
  void start_again(slot_number slot, const public_key& key);
  void tell_of_host_routes();

  // registry_memory.cpp: what outlives the process
  session_ended recall(slot_number slot);
  void note(const session_noted& noted);
  caf::result<config_changes> reset(const public_key& peer);

  // registry_hand_over.cpp: another process takes the place of this one
  /// All that is known of the peers, but for their sessions.
  std::shared_ptr<saved_node> list_peers() const;
  caf::result<void> prepare_to_stand_still();
  caf::result<frozen_peers> stand_still();
  void all_stand_still(const std::shared_ptr<saved_node>& left);
  caf::result<void> wipe_keys();
  caf::result<config_changes> inherit(const inherit_peers& asked);

  // registry_names.cpp: endpoints that are host names
  /// Looks the configured endpoint up if it is a name.
  void resolve(slot_number slot);
  void set_resolved(const endpoint_resolved& resolved);
  void use_address(slot_number slot, const endpoint& address);
  void lookup_failed(const endpoint_not_found& failure);
  void resolve_again(const public_key& key, const host_endpoint& host,
                     std::chrono::seconds retry_after);
  void try_another_address(const endpoint_unanswered& unanswered);
  /// Adds why the name of its endpoint was not found, if that is in the way.
  void explain_name(slot_number slot, peer_status& status) const;
  /// The peer that still wants this name, if it does.
  std::optional<slot_number>
  slot_wanting(const public_key& key, const host_endpoint& host) const;

  // registry_ways.cpp: endpoints that lie behind their own tunnel
  /// Finds out whether the peer's does, and tells of it once.
  void check_way(slot_number slot);
  /// As many as there are questions for at once, and then the others.
  void check_ways();
  void go_on_checking_ways();
  void explain_way(slot_number slot, peer_status& status) const;

  // registry_publish.cpp: how a change comes into force
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

  // registry_reports.cpp: questions
  struct collection;
  /// The answer to who asks for one.
  static caf::error no_such_peer(const public_key& key);
  caf::result<registry_report> report(const report_request& request);
  void ask_next_peer(const std::shared_ptr<collection>& all);
  caf::result<void> start_handshake(const begin_handshake& asked);
  caf::result<bool> handshake_since(const check_handshake& asked);
  peer_configurations configuration() const;
  peer_networks networks(route_mode routes) const;
  peer_addresses addresses() const;

  std::vector<lane> lanes_;
  registry_neighbours neighbours_;
  /// Each takes a question to the host.
  token_bucket way_checks_{256, std::chrono::milliseconds{10}};
  slot_number next_way_ = 0;   ///< to be looked at
  slot_number ways_left_ = 0;  ///< slots that this round has not looked at
  deadline_id next_way_check_; ///< when it goes on
  std::shared_ptr<const receiver_index_codec> indices_;
  change_identity us_;
  std::shared_ptr<spdlog::logger> log_;

  peer_directory directory_;
  std::vector<peer_seat> seats_; ///< by slot
  drop_counters ended_drops_;    ///< of peers that have ended
  std::unordered_map<caf::actor_addr, slot_number> by_address_;
  peer_table table_;
  peer_entries_changed new_entries_;           ///< since the last publication
  std::unique_ptr<change_under_way> changing_; ///< null: none
  bool frozen_ = false; ///< nobody is started: another process is to go on
  /// Who waits until all stand still, and what they are about to leave.
  caf::typed_response_promise<frozen_peers> freezing_;
  std::vector<prepared_heap_ptr> heaps_; ///< for what is saved
  std::weak_ptr<saved_node> leaving_;
  caf::response_promise forgetting_; ///< who waits until all keys are wiped
  publication_ptr gathering_;        ///< null: nothing has changed
  std::vector<publication_ptr> under_way_; ///< whose askers wait
  published_state published_;
  deadline_id overdue_check_;
  std::unordered_map<caf::actor_addr, ending_peer> ending_;
};

} // namespace weft
