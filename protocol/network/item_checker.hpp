// What of items a directory can tell by itself: whose they are, which of two is
// the newer one, and who was removed.  It needs it to keep removed members out
// and to see that it has lost something; members believe none of it.
#pragma once

#include "protocol/network/member_view.hpp"
#include "protocol/network/members.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>

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

/// Who signs records: what of a certificate counts for them.
struct record_signer {
  std::string name;
  member_id id;
  verifying_key key;
  std::uint64_t generation = 0;
};

class item_checker {
public:
  item_checker(root_contents root, item_judge judge, const bucket_table& items);

  /// To be called when an issuer's certificate or list has changed.
  /// True: members may have been removed.
  bool follow(const byte_vector& key);

  bool is_removed(const std::string& issuer, const member_id& member) const;
  /// When a member's certificate ends; nothing: it is none.
  std::optional<network_time> end_of(const_byte_span certificate) const;

  /// By the certificate that is held of that member, if the same issuer signed
  /// it; nothing: there is none.
  std::optional<record_signer>
  held_signer(const std::string& issuer, const member_id& member) const;

  /// Whether an item that somebody shows is rightly signed, holds at `now`, and
  /// is newer than what the directory has (or than nothing).  Refused: it is
  /// not right, or cannot be told; so is each record, of which its member can
  /// make a newer one at will: a lost one is published again.
  accepted<bool> is_newer(const network_item& shown, network_time now) const;

  /// What is wrong with a record as that member's.
  std::optional<refused>
  find_mistake_in(const member_record& record, const record_signer& by) const;

  /// The latest time that an issuer has signed.
  network_time latest_signed() const;

private:
  struct issuer_state {
    byte_vector der;
    verified_issuer verified;
    std::optional<revocation_list> list; ///< the newest that was seen
  };

  accepted<verified_certificate>
  judge_member(const_byte_span certificate) const;
  accepted<revocation_list>
  judge_list(const std::string& issuer, const_byte_span content) const;
  accepted<bool>
  is_newer_issuer(const network_item& shown, network_time now) const;
  accepted<bool>
  is_newer_certificate(const network_item& shown, network_time now) const;
  accepted<bool> is_newer_list(const network_item& shown) const;

  root_contents root_;
  item_judge judge_;
  const bucket_table& items_;
  std::map<std::string, issuer_state> issuers_;
};

} // namespace weft
