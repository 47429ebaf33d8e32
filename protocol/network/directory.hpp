// What a directory does: it keeps the items of a network (members.hpp) as they
// stand in its store, tells members what changes, takes their records, and
// brings what the issuer has signed into the store.  It believes nothing, and
// nobody believes it.
//
// It does nothing itself: each call may leave steps, which the caller carries
// out in their order and answers where that is said.  X.509 is the caller's,
// too.  Calls of the store are answered in any order; there is one of each kind
// at a time.  Several directories share a store: what each has written comes to
// all of them by the watch, to the writer as well.
#pragma once

#include "protocol/base/random.hpp"
#include "protocol/base/time.hpp"
#include "protocol/base/token_bucket.hpp"
#include "protocol/network/issuing.hpp"
#include "protocol/network/item_checker.hpp"
#include "protocol/network/members.hpp"
#include "protocol/network/store_follower.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace weft {

/// A frame with its length, which many connections may send.
using shared_frame = std::shared_ptr<const byte_vector>;

class directory {
public:
  struct settings {
    root_contents root;
    /// Of whom this directory asks for what was issued; empty: of nobody.
    /// It is the name in its certificate's issuer.
    std::string issuer{};
    std::size_t most_connections = 12'000;
  };

  // -- limits and intervals --------------------------------------------------

  /// Without a word from it, a connection ends.
  static constexpr std::chrono::seconds silence{4 * members_ping_interval};
  /// Changes are told together that come within it.
  static constexpr std::chrono::milliseconds push_interval{200};
  /// A member that comes while the store is read for the first time waits for
  /// its welcome: so long at most.
  static constexpr std::chrono::seconds welcome_wait{3};
  /// Of one member.
  static constexpr std::chrono::seconds publish_interval{10};
  /// How much earlier than that a record may come for the way's sake.
  static constexpr std::chrono::seconds publish_leeway{1};
  /// How long a new certificate may take into the store before it is handed out
  /// without.
  static constexpr std::chrono::seconds answer_wait{5};
  /// A connection with more than this unsent gets no changes, but compare_again
  /// once it is empty; nor a page.
  static constexpr std::size_t most_queued_bytes = std::size_t{1} << 20;
  /// How long something that was shown and is not here may be on its way from
  /// issuer or store; then the directory is one that lost something.
  static constexpr std::chrono::seconds grace{10};
  /// The same of a directory without an issuer, for as long as one that has it
  /// is at the store: nobody else knows what is still to be brought.
  static constexpr std::chrono::seconds grace_elsewhere{120};
  /// The store may be away for so long before members are told that they hear
  /// of nothing new here: longer than etcd takes for another leader, and than a
  /// listing takes.
  static constexpr std::chrono::seconds store_patience{10};
  /// Items are dropped so long after their certificate's end.
  static constexpr std::chrono::hours memory{24 * 90};
  /// How long a member with a certificate that was renewed stays, for the
  /// answer that it has not got.
  static constexpr std::chrono::seconds outdated_stay{60};
  /// From how many connections an item may come in parts at once, and how long
  /// one may take while others wait.
  static constexpr std::size_t most_in_parts = 16;
  static constexpr std::chrono::seconds parts_patience{20};
  /// How long it is remembered that a member's connection took another one's
  /// place, and of how many.
  static constexpr std::chrono::minutes displaced_memory{10};
  static constexpr std::size_t most_displaced = 4'096;
  static constexpr std::size_t most_waiting_records = 20'000;
  static constexpr std::size_t most_shown = 1'024;
  /// Of certificates and records, and of what issuers say of themselves: what
  /// the store has beyond is passed over.  A member takes as much.
  static constexpr std::size_t most_member_items = 240'000;
  static constexpr std::size_t most_member_bytes = std::size_t{180} << 20;
  static constexpr std::size_t most_issuer_items = 20'000;
  static constexpr std::size_t most_issuer_bytes = std::size_t{60} << 20;

  using connection = std::uint64_t; ///< a number of the caller's
  using ticket = std::uint64_t;     ///< of a question to the issuer

  // -- what the caller does --------------------------------------------------

  // Of the store, answered with listed(), told() and changed().
  using list_entries = store_follower::list_entries;
  using watch_entries = store_follower::watch_entries;
  using change_entries = store_follower::change_entries;
  /// Answered with renamed().
  struct renew_store_id {};
  /// keep_present(); who else is there is told by issuer_elsewhere().
  struct keep_presence {};
  /// ask_items (issuing.hpp) with a patience of the caller's, answered with
  /// issued(), on a connection on which nothing else waits for it.
  struct ask_for_items {
    std::uint64_t after = 0;
  };
  /// ask_for_itself, answered with answered(), also if it fails.
  struct ask_for_member {
    ticket number = 0;
    byte_vector request;
  };
  struct send_frame {
    connection to = 0;
    shared_frame frame;
  };
  /// After what was given to it, and soon.  It is forgotten here.
  struct end_connection {
    connection which = 0;
    refused why;
  };
  /// For the log, and status.
  struct began_recovering {
    std::string why;
  };
  /// For the log: the files of a member are on two machines.
  struct found_twice {
    std::string name;
  };
  using step
    = std::variant<list_entries, watch_entries, change_entries, renew_store_id,
                   keep_presence, ask_for_items, ask_for_member, send_frame,
                   end_connection, began_recovering, found_twice>;

  directory(settings given, item_judge judge, random_source& random);
  directory(const directory&) = delete;
  directory& operator=(const directory&) = delete;

  /// What is to be done, in this order; they are handed out once.
  std::vector<step> take_steps();

  /// To be called at next_time(), or later.
  void on_time(const instant& at);
  time_point next_time() const;

  // -- the store -------------------------------------------------------------

  /// It has been opened, or opened anew.  Until its first listing is whole no
  /// member is served.
  void opened(const store_id& id, const instant& at);
  void listed(const store_result<store_page>& page, const instant& at);
  void told(const store_result<store_news>& news, const instant& at);
  void changed(const store_result<change_outcome>& outcome, const instant& at);
  void renamed(const store_result<store_id>& id, const instant& at);
  /// Whether it can be reached at all, by its opening and keep_presence: a
  /// watch need not notice that its way is cut off.
  void reached(bool is_so, const instant& at);

  // -- the issuer ------------------------------------------------------------

  /// Whether its socket answers; ask_for_items follows when it begins to.
  void issuer_there(bool there, const instant& at);
  void issued(const accepted<issued_items>& answer, const instant& at);
  /// Whether another directory is at the store whose issuer answers: each time
  /// that this is seen.
  void issuer_elsewhere(bool there, const instant& at);
  /// What it said: certificates (none: done), or why not.
  void answered(ticket number, const accepted<certified_answer>& answer,
                const instant& at);
  /// Why nothing new is given out now, so that nobody joins: it is recovering,
  /// has not read its store, or has no issuer.
  std::optional<refused> find_reason_to_wait() const;

  // -- members ---------------------------------------------------------------

  /// A member whose chain was verified at the time that is now.  If it is not
  /// welcome, the steps say so.
  void connected(connection number, const verified_certificate& member,
                 const instant& at);
  /// A frame of it, without the length.
  void received(connection number, const_byte_span frame, const instant& at);
  /// How much of what it was given is not sent: after each write.
  void queued(connection number, std::size_t bytes, const instant& at);
  void disconnected(connection number);
  /// Where its packets come from, which it alone is told.
  void seen(const member_id& member, const endpoint& where);

  // -- recovery --------------------------------------------------------------

  /// Somebody has looked at it: what was taken over counts, the store gets a
  /// new id, and new things are given out again.
  void recover(const instant& at);
  /// Why it is recovering; empty: it is not.
  const std::string& recovering() const {
    return recovering_;
  }

  // -- what is asked ---------------------------------------------------------

  struct state {
    bool loaded = false; ///< the store has been read
    store_id id{};
    store_revision revision = 0;
    std::string store_trouble; ///< empty: none
    bool cut_off = false;      ///< members were told that it hears nothing new
    std::size_t items = 0;
    std::size_t connections = 0;
    std::size_t waiting_changes = 0;
    std::uint64_t refused = 0; ///< items and requests since the start
    std::uint64_t issued = 0;  ///< the journal's entries that are in the store
  };
  state look() const;
  /// Whether by that time most certificates would have ended: then a clock is
  /// wrong.  Looks at all of them.
  bool ends_most(network_time at) const;
  const bucket_table& items() const {
    return items_;
  }
  /// Members that are connected, by id.
  std::vector<member_id> present() const;

private:
  /// A member's place in a comparison: what it is still to get.
  struct paging {
    bucket_set wanted;
    bucket_table::place from;
  };
  /// A member that is connected: a few hundred bytes.
  struct link {
    record_signer member;
    std::string issuer;
    network_time until{}; ///< its certificate
    time_point heard{};
    std::size_t queued = 0;
    /// Its certificate was renewed by another one: a member that has not got
    /// the answer may repeat its request, and gets nothing else.
    bool outdated = false;
    time_point since{};
    std::uint64_t instance = 0;  ///< as its hello said
    std::uint64_t displaced = 0; ///< of the connection whose place it took
    bool greeted = false;        ///< has said hello
    bool follows = false;        ///< has compared, and is told of changes
    bool behind = false;         ///< missed changes, and is to compare
    bool asks_issuer = false;
    bool wants_page = false; ///< once it has read, or may have another one
    std::unique_ptr<paging> pages;
    token_bucket frames{200, std::chrono::milliseconds{20}};
    token_bucket requests{30, std::chrono::milliseconds{500}};
    token_bucket pages_due{100, std::chrono::milliseconds{250}};
    token_bucket looks{32, std::chrono::seconds{2}}; ///< at what it shows
  };

  /// Connections of one member that end each other.
  struct displacement {
    std::uint64_t former = 0; ///< the instance that went last
    time_point at{};
    bool twice = false; ///< two instances come by turns
  };

  /// A hello before the store was read.
  struct early_hello {
    member_hello said;
    time_point until{};
  };

  /// A record on its way into the store.
  struct waiting_record {
    connection from = 0;
    std::uint64_t number = 0; ///< of the request
    byte_vector bytes;
    record_order order;
    bool under_way = false;
    bool alone = false;  ///< a change with others did not hold
    unsigned failed = 0; ///< and by itself
  };
  /// Something newer than the directory has, as somebody has shown it.
  struct shown_item {
    byte_vector content;
    time_point since{};
    /// It had its time, and all that the issuer has signed was in the store:
    /// what is read from then on has it, or never will.
    std::optional<time_point> ready{};
  };
  /// Something that comes in parts.
  struct item_in_parts {
    network_item item;
    std::uint64_t size = 0;
    sha256_digest digest{};
    time_point since{};
  };
  /// A member's request that the issuer has.
  struct asked_for {
    connection from = 0;
    std::uint64_t number = 0;
  };
  /// Its answer, which waits until the store has the certificate: a member with
  /// one that a directory lost by its own end looks like a lost store.
  struct held_answer {
    asked_for whose;
    byte_vector key;
    certified_answer answer;
    time_point until{};
  };

  // What the change that is under way is for.
  struct marking {
    bool recovering = false;
  };
  struct bringing {
    std::size_t writes = 0;
    bool last = false; ///< and the journal's place
  };
  struct naming {};
  struct taking_over {};
  struct publishing {
    std::vector<member_id> members;
  };
  struct dropping {};
  using purpose = std::variant<marking, naming, bringing, taking_over,
                               publishing, dropping>;
  /// As the store has it.
  struct recovering_mark {
    std::string why;
    store_revision at = 0;
  };

  // The store and the issuer: directory_store.cpp, directory_issued.cpp
  void go_on(const instant& at);
  void take_entry(const store_follower::entry_news& news, const instant& at);
  void take_item(const byte_vector& key,
                 const std::optional<std::string>& value, const instant& at);
  bool has_room_for(const network_item& item) const;
  void put_item(network_item item);
  void erase_item(const byte_vector& key);
  void settle(const store_follower::outcome& outcome, const instant& at);
  void settle_records(const publishing& what,
                      const store_follower::outcome& outcome);
  void change_next(const instant& at);
  bool change_mark();
  void follow_mark();
  bool write_renaming();
  void take_renaming(const std::string& value);
  bool bring_issued();
  bool take_over_lost(const instant& at);
  bool write_records();
  bool drop_ended();
  void change(purpose what, std::vector<store_condition> conditions,
              std::vector<store_write> writes);
  void find_ended(const instant& at);
  void ask_issuer(const instant& at);
  void answer_held(time_point now);
  void judge_store(time_point now);
  void judge_shown(const instant& at);
  bool has_had_its_time(const shown_item& shown, time_point now) const;
  void begin_recovering(std::string why);

  // Members.
  using members = std::unordered_map<member_id, connection>;
  members& place_of(const link& member);
  refused reason_to_displace(const link& member) const;
  void note_displaced(link& member, time_point now);
  void send(connection to, link& member, const directory_message& message);
  void send(connection to, link& member, const shared_frame& frame);
  void refuse_connection(connection number, refused why);
  void refuse_request(connection to, std::uint64_t number, refused why);
  void take(connection from, link& member, const member_hello& said,
            const instant& at);
  void take(connection from, link& member, const compare_items& said,
            const instant& at);
  void
  take(connection from, link& member, const next_page& said, const instant& at);
  void take(connection from, link& member, const offer_items& said,
            const instant& at);
  void take(connection from, link& member, const offer_large& said,
            const instant& at);
  void take(connection from, link& member, const offer_part& said,
            const instant& at);
  void take(connection from, link& member, const publish_record& said,
            const instant& at);
  void take(connection from, link& member, const renew_certificate& said,
            const instant& at);
  void take(connection from, link& member, const leave_network& said,
            const instant& at);
  void take(connection from, link& member, const members_ping& said,
            const instant& at);
  std::optional<refused>
  find_reason_against(const link& member, const member_record& record,
                      const instant& at) const;
  template <class Request>
  void ask_for(connection from, link& member, std::uint64_t number,
               const byte_vector& request);
  bool may_ask(connection from, link& member, const instant& at);
  void send_page(connection to, link& member, time_point now);
  void send_late_pages(time_point now);
  void push_changes();
  void push(const shared_frame& frame);
  void end_removed();
  void end_silent(const instant& at);
  void welcome_early(const instant& at);
  /// Connections for which `find_reason` has one.
  template <class Reason>
  void end_those(Reason find_reason);

  settings settings_;
  store_follower store_;
  bucket_table items_;
  struct amount {
    std::size_t items = 0;
    std::size_t bytes = 0;
  };
  amount of_members_; ///< of items_
  amount of_issuers_;
  std::uint64_t passed_over_ = 0; ///< for want of room
  item_checker checker_;
  std::vector<step> steps_;

  bool open_ = false;
  store_id id_{};
  bool reached_ = true;
  bool cut_off_ = false;       ///< as members were told
  bool mark_to_write_ = false; ///< recovering_ is not in the store as it is
  std::optional<time_point> unheard_since_; ///< nothing was heard of the store
  std::string recovering_;
  std::optional<recovering_mark> mark_told_; ///< the newest
  store_revision mark_at_ = 0; ///< where this directory has last written it
  bool id_to_renew_ = false;
  /// For the others: the id before and the one after.
  std::optional<std::string> renaming_to_write_;
  std::optional<purpose> under_way_;
  time_point change_at_{}; ///< after one that could not be made

  bool issuer_there_ = false;
  bool issuer_asked_ = false;
  /// Since when another directory brings what its issuer has signed.
  std::optional<time_point> issuer_elsewhere_;
  time_point ask_at_{};
  std::deque<store_write> to_bring_; ///< what was issued
  std::optional<std::uint64_t> bring_through_;
  std::uint64_t issued_through_ = 0; ///< as the store has it
  time_point asked_at_{};            ///< the last question to the issuer
  /// When one was asked that had nothing to be brought as its answer.
  std::optional<time_point> all_brought_;

  std::map<byte_vector, shown_item> shown_;
  std::map<connection, item_in_parts> in_parts_;
  /// At what all of them show.
  token_bucket looks_{500, std::chrono::milliseconds{20}};
  std::deque<network_item> lost_; ///< to be taken over

  std::deque<member_id> record_order_;
  std::unordered_map<member_id, waiting_record> records_;
  std::unordered_map<member_id, time_point> published_;
  std::vector<byte_vector> ended_; ///< keys of items to be dropped
  std::size_t looked_through_ = 0; ///< the next bucket, for ended ones

  std::unordered_map<connection, link> links_;
  std::map<connection, early_hello> early_;
  members by_member_;
  members outdated_; ///< those with a certificate that was renewed
  std::unordered_map<member_id, displacement> displaced_;
  std::set<connection> late_pages_; ///< who has drawn too many of them
  std::map<ticket, asked_for> asked_;
  std::vector<held_answer> held_answers_;
  ticket last_ticket_ = 0;
  std::set<byte_vector> to_push_; ///< keys
  std::optional<time_point> push_at_;
  time_point seen_at_{}; ///< the last time
  time_point look_at_{};
  time_point present_at_{};
  time_point look_through_at_{};
  std::uint64_t refused_ = 0;
};

} // namespace weft
