// Which of the directories that a member's file lists is asked next, and which
// are left alone.  A place may stand for several directories (a name with
// several addresses), and several places for one: the key of its certificate
// tells a directory from others.
#pragma once

#include "protocol/base/time.hpp"
#include "protocol/network/places.hpp"
#include "protocol/network/signing.hpp"

#include <optional>
#include <set>
#include <vector>

namespace weft {

class directory_turns {
public:
  /// A directory that refuses this member for what does not pass by itself is
  /// left alone: from one refusal to the next twice as long, up to the second
  /// one.  Others are asked as before.
  static constexpr std::chrono::seconds first_rest{10};
  static constexpr std::chrono::minutes longest_rest{5};

  directory_turns(std::vector<directory_address> places, std::size_t first);
  bool empty() const {
    return places_.empty();
  }

  // -- turns -----------------------------------------------------------------

  /// The place that is dialled now; nullptr: the round is over.
  const directory_address* next(time_point now);
  /// The attempt came to nothing.  True: the round is over.
  bool miss();
  /// True: those that are cut off from their store have their turn at once.
  /// False: the next round begins after a wait.
  bool end_round();

  // -- who is there ----------------------------------------------------------

  /// The place has so many addresses, one of which is this directory's.  False:
  /// it is passed over, as others are asked first.
  bool meet(const verifying_key& who, std::size_t addresses);
  /// False: it is cut off from its store, and others are asked first.
  bool welcome(bool cut_off);
  void refuse(time_point now);

  // -- the one that is connected ---------------------------------------------

  void set_cut_off(bool is_so);
  /// It is cut off, and there may be another one.
  bool is_to_be_left() const;
  /// All places are known to lead to it alone.
  bool is_alone() const;
  /// Others are asked first, and may have their store again.
  void leave_cut_off();
  /// Others are asked first, for one round.
  void leave();

private:
  struct place {
    directory_address where;
    unsigned refusals = 0; ///< since its last welcome
    time_point rests_until{};
    std::set<verifying_key> met{};
    bool has_more = false; ///< addresses, at which others may be
  };

  place& present() {
    return places_[at_];
  }
  bool is_in_turn(const place& which, time_point now) const;
  bool is_cut_off(const place& which) const;
  bool is_passed_over(const verifying_key& who) const;

  std::vector<place> places_;
  std::size_t next_;
  std::size_t missed_ = 0; ///< in this round
  /// Of the others none was found: those that are cut off are asked.
  bool takes_cut_off_ = false;
  std::set<verifying_key> cut_off_; ///< as they said last
  std::optional<verifying_key> left_;

  // The attempt, or the connection.
  std::size_t at_ = 0;
  verifying_key who_;
  std::size_t addresses_ = 0;
  std::size_t passed_over_ = 0; ///< of these
  bool once_more_ = false;      ///< the same place
};

} // namespace weft
