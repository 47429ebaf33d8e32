// What a member and a directory say to each other once they are connected (TLS
// 1.3, both with certificates): bounded frames, each a length of four bytes in
// network order and a CBOR map.  Unknown fields are ignored, and unknown
// messages; a critical field that is not known (`!`) refuses the message.
//
//   member -> directory            directory -> member
//   hello                          welcome, then seen if there is something
//   compare (digests)              page, page ...; the next one after `more`
//   offer (what it lacks)          changed (as it happens), compare_again
//   offer large, offer part ...    want part, for each
//   publish, renew, leave          done, certified or refused, by number
//   ping                           pong, cut off
//
// A directory is believed in nothing: what items say is for member_view to
// judge.  An item is a key (a kind's letter and whose it is) and its bytes:
//
//   'i' NAME    an issuer's certificate, DER
//   'c' ID      a member's certificate, DER
//   'r' ID      a member's record
//   'l' NAME    an issuer's list of revocations and its signature (64 bytes)
//   'e' EPOCH   the preshared secret of an epoch (8 bytes, network order),
//               sealed under the one before it: the box of a sealed_secret
#pragma once

#include "protocol/network/buckets.hpp"
#include "protocol/network/framing.hpp"
#include "protocol/network/preshared.hpp"
#include "protocol/network/record.hpp"
#include "protocol/network/revocations.hpp"
#include "protocol/network/store.hpp"

#include <optional>
#include <variant>
#include <vector>

namespace weft {

inline constexpr std::uint16_t members_version = 1;
inline constexpr std::uint16_t oldest_members_version = 1;

/// Of a frame without its length, from a member and from a directory.
inline constexpr std::size_t most_member_frame_bytes = std::size_t{64} * 1024;
inline constexpr std::size_t most_directory_frame_bytes
  = std::size_t{1280} * 1024; ///< a page, or a list
inline constexpr std::size_t most_offered_items = 16;
/// Of an offer's items, or of a part of one: the frame is bounded.
inline constexpr std::size_t most_offered_bytes
  = most_member_frame_bytes - 4096;
/// Both sides say something so often, and give up after three silences.
inline constexpr std::chrono::seconds members_ping_interval{15};

enum class item_kind : char {
  issuer = 'i',
  certificate = 'c',
  record = 'r',
  list = 'l',
  secret = 'e',
};

using network_item = bucket_table::item;

byte_vector item_key(item_kind kind, const member_id& of);
byte_vector item_key(item_kind kind, std::string_view name);
byte_vector epoch_key(std::uint64_t epoch);
/// Nothing: it is no key of an item.
std::optional<item_kind> kind_of(const_byte_span key);
/// Of a certificate's key or a record's.
std::optional<member_id> member_of(const_byte_span key);
/// Of an issuer's key or a list's.
std::optional<std::string> issuer_of(const_byte_span key);
/// Of a secret's key.
std::optional<std::uint64_t> epoch_of(const_byte_span key);
/// The most that an item of the kind has in it.
std::size_t most_item_bytes(item_kind kind);
/// Key and content are of a kind and within its bounds.
bool is_item(const network_item& item);

/// A list as the content of its item.
byte_vector write_list_item(const signed_bytes& list);
/// Nothing: it is shorter than a signature.
std::optional<signed_bytes> read_list_item(const_byte_span content);

/// Where a directory keeps an item in its store: `item/HEX`, and how far of an
/// issuer's journal it has: `issued/NAME`, a decimal number.
inline constexpr std::string_view item_prefix = "item/";
inline constexpr std::string_view issued_prefix = "issued/";
std::string store_key_of(const_byte_span item_key);
/// Nothing: it is no such key.
std::optional<byte_vector> item_key_of(std::string_view store_key);

// -- member -> directory ------------------------------------------------------

struct member_hello {
  std::uint16_t version = members_version; ///< the newest that it speaks
  /// Drawn when the process starts, so that a directory can tell a member that
  /// comes back from another one with its files; 0: it does not say.
  std::uint64_t instance = 0;
};
struct compare_items {
  bucket_digests have; ///< of what this directory (by its store's id) has told
};
struct next_page {};
struct offer_items {
  std::vector<network_item> items; ///< newer than what the directory told
};
/// An item that no frame of a member's can hold: a list of very many removed
/// members.  Its parts follow as the directory wants them.
struct offer_large {
  byte_vector key;
  std::uint64_t size = 0; ///< of its content
  sha256_digest digest{}; ///< of its content
};
struct offer_part {
  byte_vector key;
  std::uint64_t at = 0; ///< where in the content
  byte_vector bytes;
};
struct publish_record {
  std::uint64_t number = 0; ///< of the request
  byte_vector record;
};
/// A certificate before the present one ends; see renewal.hpp.
struct renew_certificate {
  std::uint64_t number = 0;
  byte_vector request;
};
/// The end of one's own membership; see renewal.hpp.
struct leave_network {
  std::uint64_t number = 0;
  byte_vector request;
};
struct members_ping {};

using member_message
  = std::variant<member_hello, compare_items, next_page, offer_items,
                 publish_record, renew_certificate, leave_network, members_ping,
                 offer_large, offer_part>;

// -- directory -> member ------------------------------------------------------

struct directory_welcome {
  std::uint16_t version = members_version; ///< that both speak from here on
  store_id store{};
  store_revision revision = 0;
  bool recovering = false; ///< gives nothing new out until it was told to
  byte_vector last_record; ///< the member's own; empty: there is none
  bool cut_off = false;    ///< see directory_cut_off
};
/// Whether the directory hears of nothing new from its store, so that another
/// one may know more; said when it changes.
struct directory_cut_off {
  bool is_so = false;
};
struct items_page {
  /// Whose items this page has, whole: what else a member holds of them of
  /// this directory's is no more.
  bucket_set buckets;
  std::vector<network_item> items;
  bool last = false;
  store_revision revision = 0; ///< of the directory, with the last one
};
struct items_changed {
  store_revision revision = 0;
  std::vector<network_item> items;
  std::vector<byte_vector> gone; ///< keys
};
/// Of what was offered as large, from there on.
struct want_part {
  byte_vector key;
  std::uint64_t at = 0;
};
/// Too much has changed to be told one by one.
struct compare_again {};
struct request_done {
  std::uint64_t number = 0;
};
struct request_refused {
  std::uint64_t number = 0; ///< 0: the connection, which ends
  refused why;
};
/// What a renewal came to.
struct request_certified {
  std::uint64_t number = 0;
  std::vector<byte_vector> certificates; ///< its own first, as DER
  /// The newest preshared secret, sealed for the certificate's key as if it
  /// were a token, for who cannot open the chain any more.
  std::optional<sealed_secret> secret{};
};
/// Where the member's packets come from.
struct endpoint_seen {
  endpoint where;
};
struct members_pong {};

using directory_message
  = std::variant<directory_welcome, items_page, items_changed, compare_again,
                 request_done, request_refused, request_certified,
                 endpoint_seen, members_pong, want_part, directory_cut_off>;

// -- frames -------------------------------------------------------------------

/// With the length in front.
byte_vector encode_frame(const member_message& message);
byte_vector encode_frame(const directory_message& message);

/// Of a frame without its length.  Nothing: a message of a later version, to be
/// ignored.
accepted<std::optional<member_message>>
read_member_message(const_byte_span frame);
accepted<std::optional<directory_message>>
read_directory_message(const_byte_span frame);

} // namespace weft
