// The overlay actor: root of all others.  It owns what is configured for the
// device as a whole, supervises, and answers control.
#pragma once

#include "actors/host/helper_watch.hpp"
#include "actors/host/host_keeper.hpp"
#include "actors/host/lock_keeper.hpp"
#include "actors/host/repair_limits.hpp"
#include "actors/loop/off_loop.hpp"
#include "actors/overlay/checksum_watch.hpp"
#include "actors/overlay/reconfiguration.hpp"
#include "actors/overlay/start_overlay.hpp"
#include "actors/packets/packet_port.hpp"
#include "actors/packets/tun_reader.hpp"
#include "actors/peers/registry.hpp"
#include "messages/heap_preparer.hpp"
#include "platform/memory.hpp"
#include "platform/network.hpp"
#include "platform/udp_socket.hpp"
#include "platform/unix_socket.hpp"
#include "platform/vm_generation.hpp"
#include "protocol/base/token_bucket.hpp"

#include <deque>
#include <set>

namespace weft {

struct field_error;

/// What start_overlay() has opened.
struct overlay_resources {
  std::string interface;           ///< its name
  std::uint32_t mtu = 0;           ///< to begin with
  std::shared_ptr<tun_device> tun; ///< null: there is a packet port
  std::vector<std::shared_ptr<tun_device>> more_queues; ///< of `tun`
  packet_port_base port; ///< null: there is a TUN device
  udp_sockets sockets;
  std::shared_ptr<udp_sockets> strangers; ///< null: `sockets` get everything
  std::optional<unix_listener> uapi;
  std::unique_ptr<host_keeper> host;  ///< null: it is not ours to set
  peer_networks networks;             ///< that it is set for
  std::uint32_t fwmark = 0;           ///< of the sockets
  std::vector<lookup_finished> names; ///< found before all goes into the tunnel
  std::optional<link_monitor> link;
  std::optional<route_monitor> routes;
  std::optional<vm_generation_watch> machine;
  std::unique_ptr<lock_keeper> lock; ///< null: nothing of it was needed yet
  io_loop_ptr control_loop;
  io_loop_ptr handshake_loop;
  io_loop_ptr packet_loop;
  std::vector<prepared_heap_ptr> heaps;  ///< of these loops
  std::vector<io_loop_ptr> device_loops; ///< that relieve it of `tun`
  core_budget::share cores;              ///< that packets may keep busy
  /// A thread that seals for the lane.
  struct cipher_thread {
    io_loop_ptr loop;
    cipher_worker_actor worker;
  };
  std::vector<cipher_thread> cipher_threads;
  std::shared_ptr<cipher_desk> desk; ///< theirs; null: there are none
};

class overlay : public hosted<overlay_root_actor::base> {
public:
  overlay(caf::actor_config& config, io_loop_ptr loop, overlay_options options,
          std::shared_ptr<overlay_resources> resources);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  /// A descriptor whose events one function handles.
  struct monitor_handler final : descriptor_handler {
    std::function<void()> changed;
    void ready(bool, bool) override {
      changed();
    }
    std::function<void()> broken;
    void failed() override {
      broken();
    }
  };

  void spawn_actors();
  void spawn_lane();
  void spawn_device_actors(lane& made);
  queue_reader_actor
  spawn_reader(const io_loop_ptr& loop, std::shared_ptr<const tun_device> queue,
               std::shared_ptr<detail_log> lines,
               std::shared_ptr<cipher_desk> desk, const reader_place& place);
  void watch_link();
  void link_changed();
  void set_link_up(bool up);
  void set_mtu(std::uint32_t mtu);
  void routes_changed_somehow();
  void interface_ended(const std::string& why);
  void part_ended(const caf::down_msg& down);
  bool cipher_worker_ended(const caf::down_msg& down);
  /// Whoever waits for something gets this.
  void answer_waiting(const caf::error& ended);
  void tell_identity();
  /// The host's resolver is of no use where the tunnel is its only way.
  void choose_way_of_names();
  void begin_sessions_anew();

  // -- overlay_host.cpp --

  /// A sentence for each thing that has changed.
  using host_answer = std::function<void(result<std::vector<std::string>>)>;
  /// Has the host be as `to` asks for; on failure nothing has changed.
  void set_host(const device_settings& to, bool sets_link_up,
                const host_answer& answer);
  /// Has all sockets bear a mark, and goes on.
  void
  bear_mark(std::uint32_t mark, const std::function<void(caf::error)>& go_on);
  void note_mark(std::uint32_t mark);
  /// Whether datagrams to an address would go into this very tunnel.
  std::function<bool(const ip_address&)> own_tunnel_probe() const;
  /// Of the tunnel's own datagrams, if that is configured.
  std::uint32_t mark_in_force(std::uint32_t configured) const;
  result<std::uint32_t> mark_for(const device_settings& to) const;
  bool is_full_tunnel_now() const;
  bool leads_all_v4() const;
  void set_source_marks(std::vector<std::string>& notes);
  void mark_links(const std::vector<std::string>& links,
                  std::vector<std::string>& notes);
  void leave_source_marks();
  /// What `weft host` has set: asked for again if it is missing.  A sentence
  /// for each thing that is, all of which are logged.
  std::vector<std::string> look_at_helpers_part(bool by_order);
  /// A lock that stays needs one, too.
  bool wants_mark(const interface_config& interface,
                  const peer_networks& networks) const;
  /// The tunnel's packets are known by another mark or port, or other traffic
  /// goes into it.
  void follow_ways();
  /// Whether a change of peers may change what the host has to be.
  bool peers_concern_host(const device_update& update) const;
  /// After such a change, which ends once the host has followed.
  void follow_peers();
  /// Has the host be as planned, and says what it had lost; what others take
  /// away again and again is left to them unless there was an order.
  void repair_host(bool by_order);
  /// Once what is going on has settled.
  void repair_host_soon();
  void repair_host_at(time_point when);
  void tell_repairs(const host_repair& repair, bool by_order);
  void report_routes(device_status& status) const;
  void report_host(device_status& status) const;

  // -- overlay_control.cpp --

  /// Answers whoever asked for a change.
  using change_answer = std::function<void(caf::error, config_changes)>;

  using changes_promise = caf::typed_response_promise<config_changes>;
  static change_answer answer_to(changes_promise promise);

  /// A change that waits for those before it.
  struct waiting_change {
    device_update update;
    std::optional<node_config> whole; ///< `update` is to be found out
    bool must_exist = false;          ///< the peer of `update`
    bool dry_run = false;             ///< say what would change, no more
    bool is_trial = false;            ///< of `trial_`
    bool takes_back = false;          ///< what was on trial
    bool concerns_host = false;       ///< its peers may
    bool assured = false;             ///< as in apply_config
    change_answer answer;
    config_changes changes; ///< so far
    reconfiguration plan;
    std::size_t weight = 0;
  };
  /// Changes that wait, the one that is being made included.
  static constexpr std::size_t most_changes = 1024;
  /// Their peers and prefixes in all; a single change may have more.
  static constexpr std::size_t most_weight = std::size_t{1} << 20;

  caf::result<void> apply(const device_update& update);
  caf::result<config_changes> apply_all(const apply_config& asked);
  static caf::error to_error(field_error&& what);
  caf::error refused(caf::error reason) const;
  caf::result<config_changes> add(const add_peer& asked);
  caf::result<config_changes> change(update_peer asked);
  caf::result<config_changes> remove(const public_key& peer);
  caf::result<config_changes>
  change_allowed_ip(const public_key& peer, const ip_prefix& prefix,
                    bool remove);
  caf::result<config_changes> schedule(waiting_change change);
  /// On trial for that long; 0: for good.
  caf::result<config_changes>
  schedule_trial(waiting_change change, std::chrono::seconds within);
  caf::result<node_configuration> configuration(const get_configuration& asked);
  caf::result<foreign_peers> foreign();
  caf::result<void> expect(const expect_file& asked);
  caf::result<void> change_level(log_level level);
  caf::result<config_changes> reset(const reset_peer& asked);
  void enqueue_change(waiting_change change);
  void tell_event(event_kind kind, std::string reason);
  void remote_control_changes(const std::string& why_closed);

  // -- overlay_changes.cpp --

  void start_change();
  /// A peer's change that may send all of the host's traffic another way, or is
  /// on trial: it has to be seen beside all peers.
  bool is_to_be_weighed(const waiting_change& change) const;
  void weigh_change(peer_configurations&& peers);
  /// The configuration in force, with its private key and these peers.
  node_config configuration_with(std::vector<peer_config> peers) const;
  void find_difference(peer_configurations&& peers);
  void foresee(const node_config& current);
  device_settings settings_in_force() const;
  void plan_change();
  void next_step();
  void step_done();
  void step_failed(const caf::error& reason);
  void note(std::string text);
  void note_unrouted();
  void check_peers();
  using port_taken = std::function<void(std::uint16_t port)>;
  /// The sockets of all lanes, beginning with this one: they share the port of
  /// the first.  If one refuses, all are as before.
  using lanes_refused = std::function<void(const caf::error& reason)>;
  void rebind_lanes(const rebind& to, port_taken bound, lanes_refused refused,
                    std::size_t number = 0);
  void change_sockets();
  void change_mark();
  void change_lock();
  void change_host();
  void change_key();
  void change_peers();
  void end_change();
  void adopt_rest(const node_config& wanted);
  void finish_change(caf::error reason);

  // -- overlay_packets.cpp --

  /// What nobody tells of is looked at now and then.
  void look_around_later();
  caf::result<config_changes> change_offloads(const offload_config& offloads);
  void use_offloads(const offload_config& offloads);
  /// If that is configured.
  void read_in_groups(const tun_reader_actor& reader);
  void use_features();
  /// With what sockets say of theirs.
  std::vector<offload_use>
  offload_report(std::vector<offload_use> of_sockets) const;
  /// Has an automatic MTU fit the routes to the peers.
  void follow_routes();
  void fit_mtu(const std::vector<ip_address>& peers);
  std::uint32_t mtu_for(const device_settings& to) const;
  void look_at_checksums();
  void note_checksums(std::uint64_t lost);

  // -- overlay_reload.cpp --

  /// Reading the configuration file again: one reading at a time, and one more
  /// for all who ask meanwhile.
  struct reload_state {
    /// What those want together who asked: the last one that is wanted.
    enum class aim { nothing, dry_run, if_changed, always };
    struct asker {
      bool dry_run = false;
      change_answer answer;
    };

    aim wanted = aim::nothing; ///< once the present one is done
    std::vector<asker> next;   ///< those who wait for that
    bool under_way = false;    ///< reading, or applying what was read
    aim present_aim = aim::nothing;
    bool next_assured = false; ///< by one of those who asked
    bool present_assured = false;
    std::vector<asker> present;
    deadline_id patience_ends;
    bool overdue = false; ///< nobody waits for it any more
  };
  caf::result<config_changes> reload(const reload_config& asked);
  void start_reload();
  void config_was_read(config_read& read);
  void config_is_overdue();
  waiting_change change_to(const node_config& read) const;
  void foresee_reload(const node_config& read);
  void finish_reload(const caf::error& reason, const config_changes& changes);

  // -- overlay_trial.cpp --

  /// A configuration that is taken back unless somebody confirms it.  Until
  /// then nobody changes anything else.
  struct trial {
    std::chrono::seconds within{};
    time_point until{};
    deadline_id ends;
    caf::actor_addr asked_by; ///< who cannot confirm it
    node_config former;       ///< with its secrets; known once it is made
    bool made = false;
    bool had_lock = false;      ///< before it: the host was locked
    bool taken_back = false;    ///< or about to be
    bool reload_after = false;  ///< the file changed meanwhile
    bool log_level_set = false; ///< by command meanwhile: it stays so
  };
  caf::error begin_trial(std::chrono::seconds within);
  caf::error on_trial() const;
  void trial_made(const caf::error& reason, config_changes& changes);
  void trial_ends();
  void take_back();
  void end_trial();
  caf::result<void> confirm();

  // -- overlay_lock.cpp --

  bool can_lock() const;
  bool is_locked() const;
  bool lock_is_on_trial() const;
  result<lock_keeper*> open_lock();
  void watch_firewall();
  result<void> set_lock(const interface_config& wanted);
  /// What the tunnel's packets are known by, for the answers to them.
  result<void> set_marks();
  /// As the tunnel's packets are known now.
  void renew_lock();
  void look_at_lock();
  /// Also if it was lifted by hand.
  void lock_again();
  void lock_after(const waiting_change& change);
  bool takes_lock_back(const waiting_change& change) const;
  void firewall_changed();
  void repair_firewall();
  /// `renews`: sets the tables anew as well.
  void repair_firewall_at(time_point when, bool renews);
  void report_lock(device_status& status) const;

  // -- overlay_hand_over.cpp --

  /// Another process is to take this one's place.
  struct hand_over_state {
    overlay_left left;
    std::vector<std::function<void()>> steps; ///< each brings the next about
    std::size_t next = 0;
    caf::typed_response_promise<overlay_left> promise;
    bool is_void = false;         ///< sessions have begun anew since
    caf::response_promise leaves; ///< who waits until the keys are wiped
  };
  /// Why nothing can be handed over now, if so.
  caf::error why_not_handed_over() const;
  caf::result<void> prepare_to_end();
  caf::result<overlay_left> stand_still();
  template <class Handle, class Message>
  void add_step(const Handle& whom, Message message);
  void next_freeze();
  void freeze_failed(caf::error why);
  bool is_being_handed_over() const {
    return hand_over_ || prepares_to_end_;
  }
  caf::error being_handed_over() const;
  caf::error begun_anew() const;
  void save_own_part(saved_node& into);
  /// What the gate and the socket begin with, if there is anything.
  std::optional<cookie_checker::state> inherited_cookies() const;
  std::optional<std::vector<endpoint>> inherited_endpoints() const;
  bool has_predecessor() const;
  void thaw_ports();
  void thaw_all();
  caf::result<void> end_for_successor(bool process_ends);
  caf::result<void> begin_with(const inherit_node& asked);

  // -- overlay_status.cpp --

  /// Those who want the same report, which is collected once for all of them.
  struct report_round {
    report_request asked;
    std::optional<time_point> began;            ///< the last collection
    std::vector<caf::response_promise> waiting; ///< for the next one
    std::vector<caf::response_promise> present; ///< for the one under way
    bool under_way = false;
  };
  using round_ptr = std::shared_ptr<report_round>;

  caf::result<device_status> status(const report_request& request);
  void start_reports();
  void begin_report(report_round& round);
  void collect_report(const round_ptr& round);
  void finish_report(const round_ptr& round, const caf::message& answer);
  device_status own_status(bool secrets);

  overlay_options options_;
  std::shared_ptr<overlay_resources> resources_;
  std::shared_ptr<const receiver_index_codec> indices_;
  std::shared_ptr<const identity> self_;
  std::uint16_t port_;
  std::uint32_t fwmark_; ///< of the sockets: configured, or chosen
  std::shared_ptr<std::uint32_t> probe_mark_; ///< the same, for the registry
  peer_networks networks_;                    ///< that the host is set for
  std::uint32_t mtu_;
  std::uint32_t automatic_mtu_; ///< if that is configured
  wall_time started_;
  bool link_up_;
  std::string remote_control_;            ///< as in device_status
  access_report access_;                  ///< as in device_status
  std::optional<network_status> network_; ///< as in device_status
  std::deque<waiting_change> changes_;    ///< the first is being applied
  std::size_t changes_weight_ = 0;
  std::uint64_t changes_made_ = 0;
  std::string expected_digest_;  ///< of the file, once it is saved
  std::unique_ptr<trial> trial_; ///< null: none
  std::unique_ptr<hand_over_state> hand_over_; ///< null: none
  bool prepares_to_end_ = false; ///< what changes now would not be handed over
  caf::response_promise preparing_; ///< who is to end this process
  bool leaves_ = false;             ///< nobody is thawed any more
  bool is_left_ = false;            ///< a successor has all of it
  bool process_ends_ = false;       ///< at once then
  reload_state reload_;
  off_loop threads_;
  std::deque<round_ptr> rounds_;
  std::size_t reports_waiting_ = 0;
  time_point reports_paid_{}; ///< the work of past reports is shared out until
  deadline_id next_report_;

  monitor_handler link_handler_;
  monitor_handler route_handler_;
  monitor_handler machine_handler_;
  deadline_id routes_settle_;
  deadline_id repair_later_;
  time_point repair_at_{};                   ///< when that is
  std::vector<std::string> repair_failures_; ///< that were told
  repair_limits repair_limits_;
  helper_watch helper_;
  std::set<std::string> marked_links_; ///< whose src_valid_mark was set
  deadline_id routes_asked_later_;
  time_point routes_asked_{};
  std::uint32_t mtu_refused_ = 0; ///< by the kernel, when that was told
  checksum_watch checksums_;
  monitor_handler firewall_handler_;
  deadline_id firewall_later_;
  time_point looked_at_firewall_{};
  token_bucket lock_repairs_{5, std::chrono::milliseconds{200}};
  token_bucket lock_lines_{5, std::chrono::seconds{10}};
  bool renews_lock_ = false; ///< at firewall_later_
  bool locks_;               ///< until it is lifted by hand
  bool lock_stays_; ///< though the configuration does not want it any more
  std::vector<lane> lanes_;
  std::vector<host_writer_actor> helping_writers_; ///< on the device loops
  stranger_port_actor strangers_;
  handshake_gate_actor gate_;
  resolver_actor resolver_;
  event_hub_actor events_;
  state_keeper_actor keeper_;
  registry_actor registry_;
  uapi_actor uapi_;
  std::vector<std::pair<caf::actor_addr, std::string>> parts_;
};

} // namespace weft
