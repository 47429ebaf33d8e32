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
#include "protocol/network/members.hpp"
#include "protocol/network/places.hpp"

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
  /// random; so long, too, is waited at most between later attempts.
  static constexpr std::chrono::seconds longest_wait{30};
  static constexpr std::chrono::seconds publish_interval{10};
  /// A directory gets so long to hear of something from the issuer before it is
  /// shown it.
  static constexpr std::chrono::seconds offer_delay{5};
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
  /// For the view, in this order: the mirror has changed by it.
  struct take_items {
    std::vector<network_item> items;
    std::vector<byte_vector> gone; ///< keys
  };
  /// It has said welcome.
  struct directory_found {
    directory_address where;
    store_id store{};
    bool recovering = false;
    /// The member's own last one there; empty: none.  A member that lost its
    /// state goes on from its order.
    byte_vector last_record;
  };
  /// All that it has is here now; said once for each connection.
  struct up_to_date {
    store_revision revision = 0;
  };
  /// The connection that had directory_found is no more.
  struct directory_lost {
    directory_address where;
    std::string why;
  };
  /// An attempt that came to nothing; the next one is made later.
  struct directory_missed {
    directory_address where;
    std::string why;
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
  };
  /// A record was not taken; it is offered again later unless it is `stale`:
  /// then a newer one is to be made.
  struct record_refused {
    refused why;
  };
  using step = std::variant<dial_directory, send_frame, hang_up, take_items,
                            directory_found, up_to_date, directory_lost,
                            directory_missed, own_endpoint_seen,
                            request_answered, record_refused>;

  /// `told` is what was kept from before.  `self` is this node's member id.
  member_session(const member_id& self,
                 std::vector<directory_address> directories,
                 random_source& random, std::vector<network_item> told = {});

  /// What is to be done, in this order; they are handed out once.
  std::vector<step> take_steps();

  /// The first call begins.  To be called at next_time(), or later.
  void on_time(time_point now);
  time_point next_time() const;

  // -- the connection --------------------------------------------------------

  void connected(attempt number, time_point now);
  /// Bytes as they come from the stream.
  void received(attempt number, const_byte_span bytes, time_point now);
  void lost(attempt number, std::string why, time_point now);
  /// Dials at once what was waited for: the host has a new address, or has
  /// woken up.
  void hurry(time_point now);
  /// Instead of those before; a connection stays.
  void set_directories(std::vector<directory_address> directories);

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

  bool is_connected() const; ///< with a welcome
  /// All that it was told by directories, by key.
  const bucket_table& told() const {
    return told_;
  }

private:
  bucket_table told_;
};

} // namespace weft
