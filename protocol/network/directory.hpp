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
#include "protocol/network/member_view.hpp"
#include "protocol/network/members.hpp"
#include "protocol/network/store.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace weft {

/// What X.509 says of items.  Times are not judged.
struct item_judge {
  /// An issuer's certificate, if the root signed it.
  std::function<accepted<verified_issuer>(const_byte_span issuer)> issuer;
  /// A member's, if that issuer signed it.
  std::function<accepted<verified_certificate>(const_byte_span member,
                                               const_byte_span issuer)>
    member;
};

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
  /// Of one member.
  static constexpr std::chrono::seconds publish_interval{10};
  /// A connection with more than this unsent gets no changes, but compare_again
  /// once it is empty; nor a page.
  static constexpr std::size_t most_queued_bytes = std::size_t{1} << 20;
  /// How long something that was shown and is not here may be on its way from
  /// issuer or store; then the directory is one that lost something.
  static constexpr std::chrono::seconds grace{10};
  /// Items are dropped so long after their certificate's end.
  static constexpr std::chrono::hours memory{24 * 90};
  static constexpr std::size_t most_waiting_records = 20'000;
  static constexpr std::size_t most_shown = 1'024;

  using connection = std::uint64_t; ///< a number of the caller's
  using ticket = std::uint64_t;     ///< of a question to the issuer

  // -- what the caller does --------------------------------------------------

  /// Answered with listed().
  struct list_entries {
    store_range range;
  };
  /// Of all entries ("") from that revision on, instead of the watch before;
  /// answered with told() each time that wait() returns.
  struct watch_entries {
    store_revision from = 0;
  };
  /// Answered with changed().
  struct change_entries {
    store_change change;
  };
  /// Answered with renamed().
  struct renew_store_id {};
  /// keep_present(), without an answer.
  struct keep_presence {};
  /// ask_items with a patience of the caller's, answered with issued(), on a
  /// connection on which nothing else waits for it.
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
  using step
    = std::variant<list_entries, watch_entries, change_entries, renew_store_id,
                   keep_presence, ask_for_items, ask_for_member, send_frame,
                   end_connection, began_recovering>;

  directory(settings given, item_judge judge, random_source& random);

  /// What is to be done, in this order; they are handed out once.
  std::vector<step> take_steps();

  /// To be called at next_time(), or later.
  void on_time(const instant& at);
  time_point next_time() const;

  // -- the store -------------------------------------------------------------

  /// It has been opened.  Until its first listing is whole no member is served.
  void opened(const store_id& id, const instant& at);
  void listed(const store_result<store_page>& page, const instant& at);
  void told(const store_result<store_news>& news, const instant& at);
  void changed(const store_result<change_outcome>& outcome, const instant& at);
  void renamed(const store_result<store_id>& id, const instant& at);

  // -- the issuer ------------------------------------------------------------

  /// Whether its socket answers; ask_for_items follows when it begins to.
  void issuer_there(bool there, const instant& at);
  void issued(const accepted<issued_items>& answer, const instant& at);
  /// What it said: certificates (none: done), or why not.
  void answered(ticket number, const accepted<std::vector<byte_vector>>& answer,
                const instant& at);
  /// Why nothing new is given out now, so that nobody joins: it is recovering,
  /// has not read its store, or has no issuer.
  std::optional<refused> find_reason_to_wait() const;

  // -- members ---------------------------------------------------------------

  /// A member whose chain was verified at the time that is now.  Refused: the
  /// connection is to be ended, after `frame` (refusal's) was sent.
  std::optional<refused>
  connected(connection number, const verified_certificate& member,
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
    std::size_t items = 0;
    std::size_t connections = 0;
    std::size_t waiting_changes = 0;
    std::uint64_t refused = 0; ///< items and requests since the start
    std::uint64_t issued = 0;  ///< the journal's entries that are in the store
  };
  state look() const;
  const bucket_table& items() const {
    return items_;
  }
  /// Members that are connected, by id.
  std::vector<member_id> present() const;

private:
  std::string recovering_;
  bucket_table items_;
};

} // namespace weft
