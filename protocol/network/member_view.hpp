// What a member knows of its network, and which peers follow from it.
//
// Certificates, records and lists come from a directory that nobody believes:
// in any order, old ones again, and others' among them.  What is kept never
// goes back; what follows from it depends on what is kept and on the time
// alone, so members that know the same have the same peers.
//
// X.509 is the caller's: it gives certificates whose signatures are right up to
// the root, judged at now().  Here is what they may say, and when they count:
//
//   1. what they say lies within root and issuer          add_certificate()
//   2. they have begun, and neither they nor the issuer's ended    update()
//   3. the issuer's list is as new as they want, and without them  update()
//   4. nothing of theirs is this node's or another origin's        update()
//   5. of several with the same name, key or addresses the one that was let in
//      first                                                       update()
#pragma once

#include "protocol/network/certificate.hpp"
#include "protocol/network/record.hpp"
#include "protocol/network/revocations.hpp"
#include "protocol/network/time_floor.hpp"

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace weft {

/// Whose signature the root has put below it.
struct verified_issuer {
  issuer_contents contents;
  verifying_key key;
  network_time from{};
  network_time until{};

  bool operator==(const verified_issuer&) const = default;
};

/// Whose signature an issuer has put below it.
struct verified_certificate {
  member_contents contents;
  verifying_key key;
  std::string issuer; ///< its name
  network_time from{};
  network_time until{};

  bool operator==(const verified_certificate&) const = default;
};

/// A peer as the network wants it.
struct network_peer {
  member_id id;
  std::string name;
  public_key key;
  std::vector<ip_prefix> prefixes;
  std::vector<published_endpoint> endpoints; ///< best first; none: it calls
  std::set<std::string> groups;
  bool relays = false;
  std::uint64_t epoch = 0; ///< of the preshared key that it initiates with

  bool operator==(const network_peer&) const = default;
};

struct peer_added {
  network_peer peer;
};
/// Key and prefixes are as before.
struct peer_changed {
  network_peer peer;
};
struct peer_removed {
  member_id id;
  public_key key;
};

/// They come in an order in which no key and no prefix is two peers' at once.
using peer_change = std::variant<peer_removed, peer_changed, peer_added>;

/// A peer that the network must leave alone: from a file or a command.
struct foreign_peer {
  public_key key;
  std::vector<ip_prefix> prefixes;
};

/// What stays on disk, whatever else is lost, and never falls.
struct view_marks {
  struct of_member {
    std::uint64_t generation = 0;
    record_order record;
    std::string issuer{}; ///< its name; no other's certificate counts

    bool operator==(const of_member&) const = default;
  };
  network_time floor{};
  std::map<std::string, std::uint64_t> lists; ///< numbers, by issuer
  /// Whom lists have named, by issuer, and until when it is remembered: a later
  /// list without a member, by an issuer whose clock is wrong, lets it in no
  /// more.
  std::map<std::string, std::map<member_id, network_time>> removed{};
  std::map<member_id, of_member> members;
};

class member_view {
public:
  /// How long before its end a certificate is told of.
  static constexpr std::chrono::hours notice{24 * 14};
  /// How long after its end a member is remembered.
  static constexpr std::chrono::hours memory{24 * 90};
  /// How far beyond signed times the clock alone may raise the floor, which
  /// would stay when the clock is put right.
  static constexpr std::chrono::hours clock_lead{24};
  static constexpr std::size_t most_members = 65'536;

  struct settings {
    root_contents root;
    member_id self;
    public_key own_key;
    /// Prefixes beside the root's ranges that others may have.
    std::vector<ip_prefix> wider{};
  };

  /// One member, as far as it is known.
  struct known_member {
    verified_certificate certificate;
    std::optional<member_record> record;
    /// Why it is no peer; nothing: it is one, or this node itself.
    std::optional<refused> refusal;
    bool told = false; ///< that its certificate ends soon
  };

  explicit member_view(settings given, view_marks kept = {});

  // Each says whether it was new, so that it is to be kept on disk, or why it
  // is refused, which is counted.  It takes effect with update().
  accepted<bool> add_issuer(const verified_issuer& issuer);
  accepted<bool> add_certificate(const verified_certificate& certificate);
  accepted<bool> add_record(const member_record& record);
  accepted<bool> add_list(const signed_bytes& list);

  /// Instead of those that were named before.  A full tunnel's prefixes exclude
  /// nobody.
  void set_foreign(std::vector<foreign_peer> peers);

  /// What has changed since the last call.  To be called after additions, which
  /// may be many, and as time goes on.
  std::vector<peer_change> update(network_time clock);

  /// Members whose certificates end soon, each once.
  std::vector<member_id> take_notices();

  /// Who is no peer because one of another origin has its key or addresses,
  /// each once for as long as it is so; of who was a peer before, whoever took
  /// that away has been told.
  std::vector<member_id> take_contested() {
    return std::exchange(contested_, {});
  }

  /// The time that update() has judged by.
  network_time now() const {
    return now_;
  }
  /// The clock, or a signed time, would end this node's certificate and most
  /// others at once, or the clock is more than clock_lead before what is known
  /// to have been; so it is not believed.
  bool clock_suspect() const {
    return clock_suspect_;
  }
  const view_marks& kept() const {
    return marks_;
  }
  const std::map<member_id, known_member>& members() const {
    return members_;
  }
  const std::map<member_id, network_peer>& peers() const {
    return peers_;
  }
  /// Of this node; nullptr: it has none yet.
  const known_member* self() const;
  /// When the newest list of an issuer was signed; nothing: there is none.
  std::optional<network_time> list_issued(const std::string& issuer) const;
  std::uint64_t refused_so_far(refusal why) const {
    return refusals_.at(static_cast<std::size_t>(why));
  }
  /// Begins to count anew.
  void forget_refusals() {
    refusals_ = {};
  }

private:
  struct issuer_state {
    verified_issuer issuer;
    std::optional<revocation_list> list;
  };
  using peer_map = std::map<member_id, network_peer>;

  template <class Step>
  accepted<bool> counted(Step step);
  accepted<bool> take_issuer(const verified_issuer& issuer);
  accepted<bool> take_certificate(const verified_certificate& certificate);
  accepted<bool> take_record(const member_record& record);
  accepted<bool> take_list(const signed_bytes& list);

  void judge_time(network_time clock);
  void remember_removed(const revocation_list& list);
  void forget_ended();
  bool ends_most(network_time at) const;
  network_time end_of(const known_member& who) const;
  bool is_revoked(const known_member& who) const;
  std::optional<refused> find_refusal(const known_member& who) const;
  void conclude(known_member& who, std::optional<refused> refusal);
  std::vector<known_member*> candidates();
  peer_map resolve();
  std::vector<peer_change> replace_peers(peer_map next);

  settings settings_;
  view_marks marks_;
  time_floor floor_;
  network_time signed_{}; ///< the latest time that an issuer signed
  network_time now_{};
  bool clock_suspect_ = false;
  std::map<std::string, issuer_state> issuers_;
  std::map<member_id, known_member> members_;
  std::vector<foreign_peer> foreign_;
  std::vector<member_id> contested_; ///< that were not told of yet
  peer_map peers_;                   ///< as update() has told of them
  std::array<std::uint64_t, refusal_count> refusals_{};
};

} // namespace weft
