// A member's side of its talk with the directories, across connections: which
// one to dial and when, what the directory has told so far, and what it is
// still to be told.  It does nothing itself: each call may leave steps, which
// the caller carries out in their order.
//
// What a directory has told is kept as it came, for the next comparison
// (`told()`, which the caller keeps on disk: it is the cache a member starts
// from); whether it counts is for member_view to judge.
#pragma once

#include "protocol/base/random.hpp"
#include "protocol/base/time.hpp"
#include "protocol/network/directory_turns.hpp"
#include "protocol/network/members.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace weft {

class member_session {
public:
  // -- limits and intervals --------------------------------------------------

  static constexpr std::chrono::seconds dial_patience{10};
  static constexpr std::chrono::seconds answer_patience{20}; ///< of a welcome
  static constexpr std::chrono::seconds silence{3 * members_ping_interval};
  /// Who has lost a connection that worked dials again after up to that, at
  /// random: the more items there are, the longer, up to 30 s.
  static constexpr std::chrono::milliseconds shortest_spread{2'000};
  static constexpr std::chrono::milliseconds longest_spread{30'000};
  static constexpr std::chrono::microseconds spread_for_item{1'500};
  /// Between rounds of attempts that came to nothing: from one to the next
  /// twice as long, up to the second one or the spread, and at random between
  /// half of that and all.  However long a directory was away, few members are
  /// back well within 5 s, and many do not come all at once.
  static constexpr std::chrono::milliseconds first_wait{500};
  static constexpr std::chrono::milliseconds longest_wait{2'000};
  /// A directory that is cut off from its store is left for another one.  If
  /// all are, or do not answer, this node stays at one and looks again after
  /// that and up to as long more, at random; after the second one if the
  /// directory has had its store meanwhile.
  static constexpr std::chrono::minutes stay_cut_off{5};
  static constexpr std::chrono::minutes stay_after_return{1};
  /// Of pages in a comparison.
  static constexpr std::size_t most_pages = 8'192;
  static constexpr std::chrono::seconds publish_interval{10};
  /// A directory gets so long to hear of something from the issuer before it is
  /// shown it.
  static constexpr std::chrono::seconds offer_delay{5};
  /// Between two offers of the same item in parts: the directory may have had
  /// too many of them.
  static constexpr std::chrono::seconds offer_again{60};
  static constexpr std::size_t most_told_items = 262'144;
  static constexpr std::size_t most_told_bytes = std::size_t{256} << 20;

  // -- what the caller does --------------------------------------------------

  /// Each attempt has a number of its own; calls of others are ignored.
  using attempt = std::uint64_t;

  /// TCP and TLS, answered with connected() or lost().
  struct dial_directory {
    attempt number = 0;
    directory_address where;
  };
  /// With its length, on the connection that is.
  struct send_frame {
    byte_vector frame;
  };
  /// Of this attempt, dialled or connected; lost() need not follow.
  struct hang_up {
    attempt number = 0;
    std::string why;
  };
  /// For the view: the mirror has changed by it.  In no order: a record may
  /// come before its certificate, even in an earlier step.
  struct take_items {
    std::vector<network_item> items;
    std::vector<byte_vector> gone; ///< keys
  };
  /// It has said welcome.
  struct directory_found {
    directory_address where;
    store_id store{};
    bool recovering = false;
    bool cut_off = false; ///< it hears nothing new from its store
    /// The member's own last one there; empty: none.  A member that lost its
    /// state goes on from its order.
    byte_vector last_record;
  };
  /// All that it has is here now; said after each comparison.
  struct up_to_date {
    store_revision revision = 0;
  };
  /// The one that was found is cut off from its store now, or no more.
  struct cut_off_changed {
    bool is_so = false;
  };
  /// The connection that had directory_found is no more.
  struct directory_lost {
    directory_address where;
    std::string why;
    std::optional<refusal> refused_as{}; ///< it has said so itself
  };
  /// An attempt that came to nothing; the next one is made later.
  struct directory_missed {
    directory_address where;
    std::string why;
    std::optional<refusal> refused_as{}; ///< it has said so itself
  };
  /// Where this node's packets come from.
  struct own_endpoint_seen {
    endpoint where;
  };
  /// What renew() or leave() came to: certificates, its own first (none: done),
  /// or why not.
  struct request_answered {
    std::uint64_t number = 0;
    accepted<std::vector<byte_vector>> result;
    /// After a renewal, if the directory gave it: the newest preshared secret
    /// (request_certified).
    std::optional<sealed_secret> secret{};
  };
  /// A record was not taken; it is offered again later unless it is `stale`:
  /// then a newer one is to be made.
  struct record_refused {
    refused why;
  };
  using step = std::variant<dial_directory, send_frame, hang_up, take_items,
                            directory_found, up_to_date, directory_lost,
                            directory_missed, own_endpoint_seen,
                            request_answered, record_refused, cut_off_changed>;

  /// `told` is what was kept from before.  `self` is this node's member id.
  member_session(const member_id& self,
                 std::vector<directory_address> directories,
                 random_source& random,
                 const std::vector<network_item>& told = {});

  /// What is to be done, in this order; they are handed out once.
  std::vector<step> take_steps();

  /// The first call begins.  To be called at next_time(), or later.
  void on_time(time_point now);
  time_point next_time() const;

  // -- the connection --------------------------------------------------------

  /// Whoever has this key answers at one of the place's addresses, of which
  /// there are so many.  Nothing: it is the one that was looked for.  Otherwise
  /// why the next address is to be tried, if there is one.
  std::optional<std::string>
  meet(attempt number, const verifying_key& who, std::size_t addresses);
  void connected(attempt number, time_point now);
  /// Bytes as they come from the stream.
  void received(attempt number, const_byte_span bytes, time_point now);
  void lost(attempt number, std::string why, time_point now);
  /// Dials at once what was waited for: the host has a new address, or has
  /// woken up.
  void hurry(time_point now);
  /// Hangs up and asks another one at once, for what this one withholds. False:
  /// no other one is known, and the connection stays.
  bool change_directory(std::string why, time_point now);

  // -- what a directory is told ----------------------------------------------

  /// This node's record, the newest: repeated until a directory has it, and one
  /// in publish_interval at most.
  void publish(byte_vector record, time_point now);
  /// A renewal or a leave (renewal.hpp), repeated on each connection until it
  /// is answered or given up.
  std::uint64_t renew(byte_vector request, time_point now);
  std::uint64_t leave(byte_vector request, time_point now);
  void give_up(std::uint64_t request);
  /// What this node believes and each directory should have: its own
  /// certificate, its issuer's, the newest lists.  A directory that told
  /// otherwise is shown it.
  void set_held(std::vector<network_item> items, time_point now);

  // -- what is asked ---------------------------------------------------------

  /// With a welcome.
  bool is_connected() const {
    return stage_ == stage::open;
  }
  /// All that it was told by directories, by key.
  const bucket_table& told() const {
    return told_;
  }

private:
  enum class stage : std::uint8_t {
    waiting,  ///< for the time of the next attempt
    dialling, ///< the caller connects
    greeting, ///< hello was said
    open,     ///< welcome was
  };
  struct large_offer {
    std::uint64_t sent = 0; ///< up to there
    time_point at{};
  };
  struct own_request {
    bool leaves = false;
    byte_vector bytes;
    bool sent = false; ///< on this connection
  };

  // Connections.
  void dial(time_point now);
  void end(std::string why, time_point now, std::optional<refusal> as = {});
  void
  hang_up_now(std::string why, time_point now, std::optional<refusal> as = {});
  void end_round(time_point now);
  void leave_cut_off(time_point now);
  duration wait_after_round();
  duration spread() const;
  void send(const member_message& message, time_point now);

  // What the directory says.
  void take_frame(const_byte_span frame, time_point now);
  void take(directory_welcome said, time_point now);
  void take(items_page said, time_point now);
  void take(items_changed said, time_point now);
  void take(const compare_again& said, time_point now);
  void take(const request_done& said, time_point now);
  void take(const request_refused& said, time_point now);
  void take(const request_certified& said, time_point now);
  void take(const endpoint_seen& said, time_point now);
  void take(const members_pong& said, time_point now);
  void take(const want_part& said, time_point now);
  void take(const directory_cut_off& said, time_point now);
  void answer(std::uint64_t number, accepted<std::vector<byte_vector>> result,
              std::optional<sealed_secret> secret = {});

  // What it is told.
  void compare(time_point now);
  void speak(time_point now);
  void speak_of_record(time_point now);
  void offer_held(time_point now);
  time_point offer_large_item(const network_item& item, time_point now);

  // The mirror.
  bool put_told(const network_item& item);
  bool erase_told(const byte_vector& key);
  void apply(std::vector<network_item> items, std::vector<byte_vector> gone);
  void notice_own_record(const byte_vector& key);

  member_id self_;
  byte_vector own_record_key_;
  directory_turns directories_;
  random_source& random_;
  std::uint64_t instance_;
  bucket_table told_;
  std::size_t told_bytes_ = 0;
  std::vector<step> steps_;

  stage stage_ = stage::waiting;
  attempt attempt_ = 0;
  unsigned missed_rounds_ = 0;
  time_point leave_at_{}; ///< one that is cut off, not before
  directory_address where_;
  time_point dial_at_{};
  time_point deadline_{}; ///< of the stage, or of a page
  time_point heard_{};
  time_point spoke_{};
  frame_reader reader_{most_directory_frame_bytes};

  bool comparing_ = false;
  std::optional<time_point> compare_at_; ///< again
  std::size_t pages_ = 0;
  std::set<byte_vector> compared_; ///< told in this comparison

  std::uint64_t last_number_ = 0;
  byte_vector record_;             ///< the newest; empty: none
  byte_vector sent_record_;        ///< the last one that was sent
  std::uint64_t record_under_ = 0; ///< the number it was sent under; 0: not
  bool record_is_there_ = false;
  bool record_is_stale_ = false;
  time_point change_at_{}; ///< when another record may be sent
  time_point repeat_at_{}; ///< when the same one may be

  std::map<std::uint64_t, own_request> requests_;
  std::vector<network_item> held_;
  std::set<byte_vector> offered_; ///< keys, on this connection
  std::map<byte_vector, large_offer> offered_large_; ///< by key, the same
  std::optional<time_point> offer_at_;
};

} // namespace weft
