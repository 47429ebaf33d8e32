// The actor behind start_directory(): the core (protocol/network/directory.hpp)
// with sockets, a store and an issuer.
//
//   connections   directory_connections.cpp   members, and those that join
//   steps         directory_steps.cpp         what the core wants done
//   steering      directory_steering.cpp      what root asks, and status
//
// Members are told where their packets come from if this node is a member, too
// (sightings).
#pragma once

#include "actors/loop/alarm.hpp"
#include "actors/loop/line_limit.hpp"
#include "actors/loop/listener.hpp"
#include "actors/network/connection_bounds.hpp"
#include "actors/network/directory_identity.hpp"
#include "actors/network/frame_stream.hpp"
#include "actors/network/issuer_link.hpp"
#include "actors/network/joining_connection.hpp"
#include "actors/network/steering_server.hpp"
#include "actors/network/store_worker.hpp"
#include "platform/connect.hpp"
#include "protocol/network/directory.hpp"
#include "protocol/network/time_floor.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::store_report)

namespace weft {

/// With what its threads and the overlay tell it.
using directory_node_actor
  = directory_actor::extend<caf::reacts_to<store_report>,
                            caf::replies_to<event_batch>::with<void>>;

class directory_node final : public hosted<directory_node_actor::base>,
                             private frame_stream::owner {
public:
  /// What start_directory() has read.
  struct resources {
    directory_identity identity;
    std::optional<network_tls> tls;
  };

  directory_node(caf::actor_config& config, io_loop_ptr loop,
                 directory_options options, std::shared_ptr<resources> read);
  ~directory_node() override;

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  struct connection {
    std::unique_ptr<frame_stream> stream;
    endpoint from;
    ip_address source; ///< as it is counted
    connection_kind kind = connection_kind::unknown;
    std::optional<time_point> until; ///< it has proven itself by then
    std::unique_ptr<joining_connection> joining;
    member_id member{}; ///< once it is one
    public_key key;
    std::string name;
    bool has_spoken = false; ///< as a member
    bool leaving = false;    ///< nothing of it counts any more
  };
  using connection_map = std::unordered_map<std::uint64_t, connection>;

  // -- connections --

  void open_listener();
  bool make_tls();
  bool accept();
  void make_room();
  void stream_enters() override {
    enter_loop_context();
  }
  void stream_stands(frame_stream& which) override;
  void stream_has(frame_stream& which, byte_vector frame) override;
  void stream_sent(frame_stream& which) override;
  void stream_ended(frame_stream& which, const std::string& why) override;
  void welcome_member(std::uint64_t number, connection& who);
  void begin_joining(connection& who);
  void go_on_joining(std::uint64_t number, connection& who,
                     const byte_vector& frame);
  void answer_joining(std::uint64_t number, const join_answer& answer);
  void refuse_member(connection& who, const refused& why, bool is_told = true);
  /// Of what it was given it gets what it takes in time.
  void let_go(connection& who);
  /// At once.
  void cut_off(std::uint64_t number, const std::string& why);
  void forget(connection_map::iterator which);
  /// Something may be over then.
  void expect(time_point when);
  void check_connections(time_point now);
  /// `is_told`: in the log.
  void
  turn_away(const endpoint& from, const std::string& why, bool is_told = true);
  connection* find(const frame_stream& stream);

  // -- steps --

  void carry_out();
  void carry_out(directory::list_entries& step);
  void carry_out(directory::watch_entries& step);
  void carry_out(directory::change_entries& step);
  void carry_out(directory::renew_store_id& step);
  void carry_out(directory::keep_presence& step);
  void carry_out(directory::ask_for_items& step);
  void carry_out(directory::ask_for_member& step);
  void carry_out(directory::send_frame& step);
  void carry_out(directory::end_connection& step);
  void carry_out(directory::began_recovering& step);
  void carry_out(directory::found_twice& step);
  bool is_news(const member_id& member, refusal why);
  void take_report(store_report& report);
  void take(const store_opened& report);
  void take(const store_missing& report);
  void take(const store_listed& report);
  void take(const store_changed& report);
  void take(const store_renamed& report);
  void take(const store_told& report);
  void take(store_attended& report);
  void take(const store_backed_up& report);
  void take(const store_compacted& report);
  template <class Result>
  void note_store(const Result& result);
  void open_if_lost(const store_error& why);
  void compact_store(time_point now);
  void start_store();
  void start_issuer();
  void issuer_changed(bool there, const std::string& why);
  void answer_member(directory::ticket number,
                     const accepted<issuing_answer>& answer);
  /// Says what is new, and keeps it for status.
  void note(std::string& trouble, const std::string& now,
            const std::string& of_what);

  // -- sightings --

  void watch_overlay();
  void ask_for_peers(std::uint32_t first);
  void sighted(const public_key& peer, const endpoint& where);

  // -- steering --

  void open_steering();
  using steering_reply = std::function<void(steering_answer)>;
  void steer(const steering_question& question, steering_reply reply);
  void recover(steering_reply reply);
  void answer_recoveries();
  directory_state state() const;
  connected_members members() const;
  known_items items_after(const byte_vector& after) const;

  // -- time --

  void check();
  void raise_floor();
  void look_at_certificate();
  void adopt(directory_identity identity);
  network_time now_of_network() const;

  directory_options options_;
  std::shared_ptr<resources> read_;
  time_floor floor_;
  directory core_;
  connection_bounds bounds_;
  std::optional<tcp_listener> tcp_;
  std::unique_ptr<listener> listener_;
  connection_map connections_;
  std::uint64_t last_number_ = 0;
  time_point connections_due_ = time_point::max();
  std::vector<std::unique_ptr<frame_stream>> buried_; ///< may be at work still
  std::unique_ptr<store_worker> store_;
  std::uint64_t watch_ = 0; ///< the last one
  /// What is asked of the store meanwhile is asked again once it is open.
  bool opens_anew_ = false;
  std::optional<time_point> compacts_at_;
  store_revision to_compact_ = 0; ///< where the store was an interval before
  std::vector<store_presence> directories_;
  std::unique_ptr<issuer_link> issuer_;
  std::unique_ptr<steering_server> steering_;
  /// Members that are connected, by WireGuard key.
  struct presence {
    member_id id{};
    std::size_t connections = 0;
  };
  std::unordered_map<public_key, presence> by_key_;
  /// Where peers of this node's overlay were heard from.
  std::unordered_map<public_key, endpoint> sightings_;
  directory_trouble trouble_;
  std::string issuer_said_; ///< of the issuer's trouble, in the log
  std::optional<time_point> says_issuer_at_;
  std::string certificate_trouble_;
  time_point reminds_at_{}; ///< of the certificate's end
  std::string steering_trouble_;
  struct recovery {
    steering_reply reply;
    time_point until;
  };
  std::vector<recovery> recoveries_;
  std::unordered_map<std::uint64_t, steering_reply> backups_;
  std::uint64_t last_backup_ = 0;
  std::uint64_t admitted_ = 0;
  std::uint64_t turned_away_ = 0;
  std::optional<time_point> reopen_at_;
  time_point floor_due_{};
  line_limit refusals_{10, std::chrono::seconds{1}};
  /// When the log was told of members that are refused for good.
  std::unordered_map<member_id, time_point> told_ends_;
  alarm_clock alarm_;
};

} // namespace weft
