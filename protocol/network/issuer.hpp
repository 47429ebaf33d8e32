// What an issuer decides: who is let in, with which name and addresses, renewed
// and removed.  It believes its journal, and of a request what is proven in it;
// no store and no directory.
//
// A decision is an entry of the journal that its caller puts on disk, and which
// then counts by take_over().  Several may be decided and taken over before
// they go to disk together: then none of them is answered before, and if the
// disk fails the issuer is made anew from what is on it.
#pragma once

#include "protocol/network/allocation.hpp"
#include "protocol/network/join.hpp"
#include "protocol/network/journal.hpp"
#include "protocol/network/renewal.hpp"
#include "protocol/network/revocations.hpp"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

namespace weft {

/// When a certificate may be renewed.
inline constexpr std::chrono::hours certificate_renewal_age{24 * 60};
/// A second renewal, and each later one, comes so long after the one before at
/// the earliest: each is an entry of the journal, and news for all members.
inline constexpr std::chrono::hours shortest_renewal_interval{1};
/// What a journal's entry shows to have passed since the one before it, at
/// most: a clock that leaps ends no removal.
inline constexpr std::chrono::hours longest_journal_step{24};
/// How far numbers of allocations go on above all that are known after a
/// journal was restored: more than were ever let in without its knowledge.
inline constexpr std::uint64_t recovery_gap = 1'000'000;
/// How far the host's clock may be from the journal's last entry before root is
/// asked which of them is right.
inline constexpr std::chrono::hours longest_clock_gap{24 * 30};
/// How far clocks of members may be behind the issuer's.
inline constexpr std::chrono::minutes certificate_head_start{10};

/// What is asked for and, unless it was so already, the entry that makes it so.
template <class Answer>
struct decision {
  Answer answer;
  std::optional<byte_vector> entry;
};

class issuer {
public:
  /// A token, and what it was used for.
  struct token_state {
    invitation terms;
    std::uint64_t used = 0;
    bool withdrawn = false;
  };
  struct member_state {
    certificate_terms terms;
    verifying_key token; ///< that let it in; zeros: it was adopted
    bool removed = false;
    verifying_key former{}; ///< the key of the certificate before this one
    network_time renewed{}; ///< its last renewal; else the beginning of time
  };

  /// The first entry of a new journal.
  static accepted<byte_vector>
  begin(const root_contents& root, const issuer_contents& self,
        network_time now);
  /// With the first entry, which begin() made.  `list_room`: how many a list
  /// may name.
  static accepted<issuer>
  from_journal(const_byte_span first_entry,
               std::size_t list_room = most_revocations);

  /// No certificate outlives the issuer's own.
  void set_end(network_time own_end) {
    end_ = own_end;
  }

  /// The host's clock, where it is behind the journal's last entry: so early
  /// certificates begin, for those whose clocks are right.
  void set_clock(network_time clock) {
    clock_ = clock;
  }
  /// When a certificate begins that is made now.
  network_time begin_for(network_time now) const {
    return std::min(now, std::max(clock_, now - longest_clock_gap))
           - certificate_head_start;
  }

  /// The next entry of the journal: from disk at the start, or one of those
  /// below.  An entry that the ones before do not allow is refused, and changes
  /// nothing.
  tl::expected<void, refused> take_over(const_byte_span entry);

  /// Lets a token be used.  Not one that is known.
  accepted<decision<invitation>>
  invite(const invitation& terms, network_time now) const;
  /// Takes a token back; members that it let in stay.
  accepted<decision<verifying_key>>
  withdraw(const verifying_key& token, network_time now) const;

  /// Lets somebody in whose request check_signatures() has passed.  `fresh` is
  /// drawn for this call.  The same token and keys get the same answer again,
  /// also when the token has ended since.
  accepted<decision<certificate_terms>>
  admit(const join_request& request, const member_id& fresh, network_time now);

  /// The next certificate of a member, once it is two thirds through with the
  /// last or has a new key to be certified; else the one that it has.  `key`
  /// is the WireGuard key that it has.
  accepted<decision<certificate_terms>>
  renew(const member_id& id, const public_key& key,
        const verifying_key& certificate, network_time now) const;

  /// What a member asks for itself, if it is signed with the key of its
  /// certificate; or, when an answer was lost, with that of the one before, for
  /// what it has now.
  accepted<own_request> check_own_request(const_byte_span bytes) const;

  /// Removes a member.  Its token is to be withdrawn, a list to be issued and
  /// an epoch to be begun as well.
  accepted<decision<member_id>>
  remove(const member_id& id, network_time now) const;

  /// The next list of revocations, to be signed: with who was removed within a
  /// certificate's lifetime by the journal, whatever the clock says.
  decision<revocation_list> list(network_time now) const;

  /// The next epoch of the preshared secret: the one after the last, or a later
  /// one.
  decision<std::uint64_t>
  begin_epoch(network_time now, std::uint64_t at_least = 0) const;

  // -- after the journal was restored, with what bears the issuer's signature

  /// A member's certificate, unless it is known or an older one.
  accepted<decision<member_id>>
  adopt(const certificate_terms& terms, network_time now) const;
  /// That a list named a member.
  accepted<decision<member_id>>
  adopt_removal(const member_id& id, network_time now) const;
  /// That a list had a number; no entry: it is no higher.
  decision<std::uint64_t>
  adopt_list(std::uint64_t number, network_time now) const;
  /// Nothing more is to be found.  All tokens are withdrawn: what they were
  /// used for since, and whether they were taken back, is not known.
  decision<std::uint64_t> finish_recovery(network_time now) const;

  // What is so now; lookups give nullptr for what is not known.
  const root_contents& root() const {
    return root_;
  }
  const issuer_contents& self() const {
    return self_;
  }
  const journal_chain& chain() const {
    return chain_;
  }
  const token_state* find_token(const verifying_key& token) const;
  const member_state* find_member(const member_id& id) const;
  const member_state* find_member(const std::string& name) const;
  const std::map<verifying_key, token_state>& tokens() const {
    return tokens_;
  }
  /// Of all that were ever let in.
  const std::map<member_id, member_state>& members() const {
    return members_;
  }
  std::uint64_t epoch() const {
    return epoch_;
  }
  /// Begun longer ago than any certificate holds, by the journal: whoever may
  /// still come has a later one's secret.  In order.
  std::vector<std::uint64_t> old_epochs(std::uint64_t after) const;
  /// Of the last entry.
  network_time last() const {
    return last_;
  }
  std::uint64_t list_number() const {
    return list_number_;
  }

private:
  issuer(root_contents root, issuer_contents self);

  template <class Answer>
  decision<Answer>
  decide(Answer answer, journal_event event, network_time now) const;

  // Why the journal cannot go on with an event.
  std::optional<refused>
  find_obstacle(const journal_begun& event, network_time at) const;
  std::optional<refused>
  find_obstacle(const token_invited& event, network_time at) const;
  std::optional<refused>
  find_obstacle(const token_withdrawn& event, network_time at) const;
  std::optional<refused>
  find_obstacle(const member_admitted& event, network_time at) const;
  std::optional<refused>
  find_obstacle(const member_renewed& event, network_time at) const;
  std::optional<refused>
  find_obstacle(const member_removed& event, network_time at) const;
  std::optional<refused>
  find_obstacle(const list_issued& event, network_time at) const;
  std::optional<refused>
  find_obstacle(const epoch_begun& event, network_time at) const;
  std::optional<refused>
  find_obstacle(const member_adopted& event, network_time at) const;
  std::optional<refused>
  find_obstacle(const removal_adopted& event, network_time at) const;
  std::optional<refused>
  find_obstacle(const journal_recovered& event, network_time at) const;
  std::optional<refused> find_taken(const certificate_terms& terms) const;
  std::optional<refused>
  find_closed(const token_state& token, network_time at) const;

  // What an event changes.
  void apply(const journal_begun& event, network_time at);
  void apply(const token_invited& event, network_time at);
  void apply(const token_withdrawn& event, network_time at);
  void apply(const member_admitted& event, network_time at);
  void apply(const member_renewed& event, network_time at);
  void apply(const member_removed& event, network_time at);
  void apply(const list_issued& event, network_time at);
  void apply(const epoch_begun& event, network_time at);
  void apply(const member_adopted& event, network_time at);
  void apply(const removal_adopted& event, network_time at);
  void apply(const journal_recovered& event, network_time at);
  void go_on_to(network_time at);
  void remember(const certificate_terms& terms);
  void forget(const certificate_terms& terms);
  void replace(member_state& member, const certificate_terms& terms);
  accepted<network_time> end_for(network_time now) const;

  root_contents root_;
  issuer_contents self_;
  journal_chain chain_;
  address_pool pool_;
  std::map<verifying_key, token_state> tokens_;
  std::map<member_id, member_state> members_;
  // Of those that are not removed.
  std::map<std::string, member_id> names_;
  std::unordered_map<public_key, member_id> keys_;
  std::unordered_map<verifying_key, member_id> certificates_;
  network_time last_{};           ///< the last entry's
  std::chrono::seconds passed_{}; ///< since the journal began, at least
  struct removal {
    std::chrono::seconds when{}; ///< as passed_ was
    member_id who;
  };
  std::size_t list_room_ = most_revocations;
  std::deque<removal> removals_; ///< whose certificates may not have ended
  std::set<member_id> removed_unknown_; ///< of whom no certificate is known
  struct begun_epoch {
    std::uint64_t number = 0;
    std::chrono::seconds when{}; ///< as passed_ was
  };
  std::vector<begun_epoch> epochs_;
  network_time end_ = latest_network_time;
  network_time clock_ = latest_network_time;
  std::uint64_t allocations_ = 0;
  std::uint64_t list_number_ = 0;
  std::uint64_t epoch_ = 0;
};

} // namespace weft
