// What the certificates of a network say of their holders, as URIs among the
// subject's alternative names (RFC 5280, 4.2.1.6).  X.509 itself, signatures
// and times of validity are platform/'s; here is only what the URIs mean.
//
//   weft:1:member             version and role, the first of all and only once
//   weft:network:HEX          32 hexadecimal digits
//   weft:name:alpha           of a network (root), issuer, directory or member
// and by role
//   weft:range:10.200.0.0/16  root, issuer: once for each
//   weft:slice4:28            root: what a member gets of IPv4
//   weft:slice6:64            root: and of IPv6
//   weft:id:HEX               member: 32 hexadecimal digits
//   weft:key:HEX              member: its WireGuard key, 64 digits
//   weft:prefix:10.200.0.16/28, weft:group:web  member: once for each
//   weft:generation:1         member: rises with each certificate of it
//   weft:revocation:17        member: the list of revocations at its issue
//   weft:allocation:3         member: counts those that were let in
//
// They stand in this order, prefixes, ranges and groups as lists that are
// sorted and without repetition, and nothing else stands beside them: one
// meaning, one text.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/base/keys.hpp"
#include "protocol/network/ids.hpp"
#include "protocol/network/refusal.hpp"

#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace weft {

/// The authority of a network.
struct root_contents {
  network_id network;
  std::string name;
  std::vector<ip_prefix> ranges; ///< sorted
  std::uint8_t slice_v4 = 28;
  std::uint8_t slice_v6 = 64;

  bool operator==(const root_contents&) const = default;
};

/// Who lets members in, within ranges that lie in the root's.
struct issuer_contents {
  network_id network;
  std::string name;
  std::vector<ip_prefix> ranges; ///< sorted

  bool operator==(const issuer_contents&) const = default;
};

struct directory_contents {
  network_id network;
  std::string name;

  bool operator==(const directory_contents&) const = default;
};

struct member_contents {
  network_id network;
  std::string name;
  member_id id;
  public_key key;                  ///< WireGuard's
  std::vector<ip_prefix> prefixes; ///< sorted; its addresses are of the first
  std::set<std::string> groups;
  std::uint64_t generation = 1;
  std::uint64_t revocation = 0; ///< counts only with a list that is so new
  std::uint64_t allocation = 0; ///< of overlapping ones the lower one keeps

  bool operator==(const member_contents&) const = default;
};

/// Exactly one role.
using certificate_contents = std::variant<root_contents, issuer_contents,
                                          directory_contents, member_contents>;

/// How long a member's holds.
inline constexpr std::chrono::hours certificate_lifetime{24 * 90};
inline constexpr std::size_t most_groups = 16;

/// `root`, `issuer`, `directory` or `member`
std::string_view role_of(const certificate_contents& contents);

/// In the order in which they stand in a certificate.
std::vector<std::string> to_uris(const certificate_contents& contents);

/// The contents behind all URIs of a certificate, unless they are not exactly
/// what to_uris() writes or find_mistake() finds one.
accepted<certificate_contents> read_uris(std::span<const std::string> uris);

/// The same for who asks for one role only (`wrong_role`).
template <class Contents>
accepted<Contents> read_uris_as(std::span<const std::string> uris) {
  auto contents = read_uris(uris);
  if (!contents)
    return tl::unexpected(std::move(contents.error()));
  auto* wanted = std::get_if<Contents>(&*contents);
  if (wanted == nullptr)
    return refuse(refusal::wrong_role,
                  "the certificate is of the role "
                    + std::string{role_of(*contents)} + ", not of "
                    + std::string{role_of(certificate_contents{Contents{}})});
  return std::move(*wanted);
}

/// What is wrong with contents by themselves: bounds, words, prefixes.
std::optional<refused> find_mistake(const certificate_contents& contents);

/// Whether a root lets an issuer be so, or a directory.
std::optional<refused>
find_breach(const root_contents& root, const issuer_contents& issuer);
std::optional<refused>
find_breach(const root_contents& root, const directory_contents& directory);
/// Whether root and issuer let a member be so; `wider` are ranges that this
/// node's own file accepts beside.
std::optional<refused>
find_breach(const root_contents& root, const issuer_contents& issuer,
            const member_contents& member,
            std::span<const ip_prefix> wider = {});

} // namespace weft
