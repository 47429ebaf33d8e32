// The actor behind start_membership().  It lives on a loop of its own, so that
// packets never wait for what the network tells.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "actors/loop/off_loop.hpp"
#include "actors/network/directory_link.hpp"
#include "actors/network/member_files.hpp"
#include "actors/network/member_knowledge.hpp"
#include "actors/network/member_peers.hpp"
#include "actors/network/own_record.hpp"
#include "actors/network/start_membership.hpp"
#include "messages/overlay.hpp"
#include "platform/network.hpp"
#include "protocol/network/member_session.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

namespace weft {

/// start_membership -> membership: answered once the overlay has its peers.
struct begin_membership {};

/// A thread -> membership: what the host of a directory's address stands for.
struct directory_resolved {
  member_session::attempt number = 0;
  result<std::vector<endpoint>> found;
};

/// A thread -> membership.
struct marks_written {
  std::string failure; ///< empty: they are on the disk
};
/// The same.
struct items_written {
  std::string failure;
};
struct certificates_written {
  member_identity next;
  std::string failure;
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::begin_membership)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::directory_resolved)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::marks_written)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::items_written)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::certificates_written)

namespace weft {

using member_actor = membership_actor::extend<
  caf::replies_to<begin_membership>::with<void>,
  caf::reacts_to<directory_resolved>, caf::reacts_to<marks_written>,
  caf::reacts_to<items_written>, caf::reacts_to<certificates_written>,
  caf::replies_to<event_batch>::with<void>>;

/// What was read before the actor starts.
struct member_start {
  member_identity identity;
  std::shared_ptr<member_files> files;
  member_files::contents kept;
};

/// A sign that another process has this member's files counts for so long: the
/// two end each other's connections, each after a rest of 10 s and at most the
/// longest spread.
inline constexpr std::chrono::minutes double_memory{3};
inline constexpr std::string_view used_twice
  = "this member's identity is used on two machines: on one of them 'weft "
    "network leave --force', then 'weft network join' with a token";

class membership final : public hosted<member_actor::base> {
public:
  membership(caf::actor_config& config, io_loop_ptr loop,
             overlay_root_actor overlay, membership_options options,
             member_start start);
  ~membership() override;

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  struct routes_handler final : descriptor_handler {
    explicit routes_handler(membership& by) : owner(by) {
    }
    void ready(bool readable, bool writable) override;
    void failed() override;
    membership& owner;
  };

  // -- start --

  caf::result<void> begin();
  void begin_talk();
  result<void> open_tls();
  void watch_addresses();
  network_time clock() const;
  /// As certificates are judged.
  network_time now() const;
  std::vector<network_item> own_items() const;
  void look_at_time();
  void every(std::chrono::milliseconds interval, std::function<void()> what);

  // -- the overlay: its events, status and other peers --

  void subscribe_to_events();
  /// Reads all pages, then calls `done`.
  void read_status(std::uint32_t first, std::function<void()> done);
  void note(const device_status& page);
  /// Calls `done` if there are others than before, or if peers of the network
  /// have lost something to them.
  void read_foreign(std::function<void()> done);
  void read_foreign_soon();
  void look_at_foreign();
  std::vector<peer_change> take_again();
  void happened(const event_batch& batch);
  void happened(const overlay_event& event);
  void overlay_failed(const caf::error& reason);

  // -- peers --

  void update_soon();
  void update();
  void tell_of(const std::vector<peer_change>& changes);
  void tell_of_ends();
  void tell_of_contested();
  void tell(event_kind kind, const public_key& peer, const std::string& name,
            std::string reason);
  void change_peers(member_peers::patches patches);
  void remove_leftovers(member_peers::patches& patches);
  void send_next();
  void batch_taken();
  void batch_refused(const caf::error& reason);
  void one_refused(const patch<peer_config>& change, const caf::error& reason);
  void try_candidates();

  // -- disk --

  void keep_marks();
  void keep_secrets();
  /// At that time from now at the latest, but for the disk's rest.
  void keep_items(std::chrono::milliseconds within);
  void write();
  void write_soon(time_point when);
  byte_vector encode_marked() const;
  void written(const std::string& failure);
  void wait_for_items();
  void write_items();
  void written_items(const std::string& failure);
  bool disk_fails(std::string& trouble, const std::string& failure);
  void write_at_end();

  // -- itself --

  void addresses_changed();
  void look_at_addresses();
  void describe();
  void sign_record(const record_content& content, std::uint64_t generation);
  void publish();
  void look_at_certificate();
  void ask_elsewhere(std::uint64_t renewal);
  void renewed(const accepted<std::vector<byte_vector>>& answer);
  void take_secret(const std::optional<sealed_secret>& sealed);
  bool lacks_secret() const;
  void look_at_secret();
  byte_vector ask_for_renewal() const;
  void fetched(const accepted<std::vector<byte_vector>>& answer);
  void take_over(certificates_written& news);
  caf::result<void> leave();
  void left(const accepted<std::vector<byte_vector>>& answer);

  // -- the directory --

  void run_session();
  void follow_time();
  void tell_of_connection();
  /// Hangs up, so that another directory is asked; without another one the
  /// connection stays.
  bool change_directory(const std::string& why);
  void note_refusal(std::optional<refusal> why);
  void look_at_list();
  void carry_out(member_session::dial_directory& step);
  void carry_out(member_session::send_frame& step);
  void carry_out(member_session::hang_up& step);
  void carry_out(member_session::take_items& step);
  void carry_out(member_session::directory_found& step);
  void carry_out(member_session::up_to_date& step);
  void carry_out(member_session::cut_off_changed& step);
  void carry_out(member_session::directory_lost& step);
  void carry_out(member_session::directory_missed& step);
  void carry_out(member_session::own_endpoint_seen& step);
  void carry_out(member_session::request_answered& step);
  void carry_out(member_session::record_refused& step);
  void dial(member_session::attempt number, result<std::vector<endpoint>> to);
  std::optional<std::string>
  meet(std::span<const byte_vector> chain, std::size_t addresses);
  void take(const std::vector<network_item>& items);
  void look_for_double();
  void note_double();
  void follow(const member_knowledge::news& news);
  /// What directories have told.
  member_knowledge::lookup told() const;
  std::optional<refused>
  judge(network_purpose purpose, std::span<const byte_vector> chain) const;

  // -- status --

  void tell_status_soon();
  void tell_status();
  std::string trouble() const;

  overlay_root_actor overlay_;
  membership_options options_;
  std::shared_ptr<member_files> files_;
  std::vector<network_item> kept_items_; ///< until it begins
  std::vector<std::string> kept_notes_;
  member_identity identity_;
  member_knowledge knowledge_;
  member_peers peers_;
  off_loop threads_;

  // The overlay.
  std::optional<caf::response_promise> begun_;
  std::unordered_set<public_key> seen_peers_; ///< in its status, at the start
  std::vector<foreign_peers::one> foreign_;
  /// Peers that the overlay may have otherwise than it was told.
  std::unordered_set<public_key> again_;
  bool foreign_asked_ = false; ///< it is about to be read again
  own_places places_;
  bool other_key_ = false; ///< the interface has one that is not certified

  // Peers.
  std::deque<member_peers::patches> batches_; ///< the first one is under way
  bool sending_ = false;
  /// Changes of these the overlay has refused: they are tried again.
  std::unordered_set<public_key> not_taken_;
  bool retry_set_ = false;
  bool update_wanted_ = false; ///< and is due, or waits for what is under way
  bool update_set_ = false;    ///< it has a deadline
  std::optional<time_point> last_update_;
  bool rekey_ = false; ///< all peers are to get their keys anew
  bool candidates_set_ = false;
  bool told_first_ = false;

  // Disk.
  bool marks_dirty_ = false;
  bool secrets_dirty_ = false;
  bool lists_dirty_ = false;    ///< no update before they are on the disk
  bool lists_in_write_ = false; ///< nor before this write has ended
  bool writing_ = false;
  bool write_set_ = false;
  time_point next_write_{}; ///< after one that failed
  std::string disk_trouble_;
  std::vector<std::function<void()>> after_write_; ///< once all is on the disk
  std::vector<std::function<void()>> after_this_write_;
  network_time floor_written_{};
  // What others are and say has a file of its own, as it may be large.
  using member_marks = std::map<member_id, view_marks::of_member>;
  member_marks marked_; ///< others as that file has them, or newer
  member_marks marked_in_write_;
  bool items_dirty_ = false;
  bool writing_items_ = false;
  time_point items_due_ = time_point::max();
  time_point items_began_{};
  time_point next_items_{};
  deadline_id items_time_;
  std::string items_trouble_;

  // Itself.
  std::optional<route_monitor> routes_;
  routes_handler routes_handler_{*this};
  bool addresses_set_ = false;
  bool describe_set_ = false;
  bool make_anew_ = false; ///< the directory has refused the record as old
  std::optional<time_point> last_record_;
  std::optional<record_order> published_;
  byte_vector signed_record_; ///< the last one, while no other one is known
  std::deque<time_point> others_records_; ///< when others took its place
  std::optional<time_point> double_at_; ///< there was a sign of another machine
  std::optional<std::uint64_t> renewal_; ///< number of the request
  time_point next_renewal_{};
  std::optional<std::uint64_t> fetch_; ///< of the secret: the request's number
  time_point next_fetch_{};
  std::optional<std::uint64_t> leaving_;
  std::vector<caf::response_promise> left_;

  // The directory.
  std::shared_ptr<const network_tls> tls_;
  std::unique_ptr<member_session> session_;
  directory_link link_;
  member_session::attempt attempt_ = 0;
  bool running_session_ = false;
  deadline_id session_time_;
  std::string directory_; ///< that it is connected to
  std::string missed_;    ///< why to none
  std::map<directory_address, std::string> told_missed_; ///< as the log has it
  std::optional<refusal> refused_as_; ///< by a directory, since the last one
  time_point found_at_{};
  bool was_brief_ = false;      ///< the connection before
  bool told_connected_ = false; ///< of the one that is, or was
  std::map<refusal, time_point> record_refusals_; ///< when each was told of
  time_point next_change_{}; ///< of directories, for what one withholds
  bool recovering_ = false;
  bool cut_off_ = false;                     ///< it has no way to its store
  std::optional<network_time> told_of_list_; ///< that it is old: of when it is
  wall_time since_{};

  network_status last_status_;
  bool status_set_ = false;
};

} // namespace weft
