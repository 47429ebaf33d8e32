#include "protocol/network/members.hpp"

#include "protocol/network/join_answer.hpp"
#include "protocol/network/renewal.hpp"
#include "protocol/network/terms.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace weft {

namespace {

using cbor::fields;
using cbor::value;

constexpr std::size_t longest_kind = 32;
constexpr std::size_t longest_endpoint = 64;
constexpr std::size_t most_key_bytes = 1 + longest_network_word;

/// In the order of member_message's alternatives.
constexpr std::array<std::string_view, std::variant_size_v<member_message>>
  member_kinds{"hello", "compare", "next page", "offer",       "publish",
               "renew", "leave",   "ping",      "offer large", "offer part"};
/// And of directory_message's.
constexpr std::array<std::string_view, std::variant_size_v<directory_message>>
  directory_kinds{"welcome", "page",      "changed",   "compare again",
                  "done",    "refused",   "certified", "seen",
                  "pong",    "want part", "cut off"};

std::byte letter_of(item_kind kind) {
  return static_cast<std::byte>(kind);
}

byte_vector key_of(item_kind kind, const_byte_span whose) {
  const auto letter = letter_of(kind);
  return joined({const_byte_span(&letter, 1), whose});
}

std::string text_of(const_byte_span bytes) {
  std::string text(bytes.size(), '\0');
  std::transform(bytes.begin(), bytes.end(), text.begin(), [](auto byte) {
    return static_cast<char>(std::to_integer<unsigned char>(byte));
  });
  return text;
}

} // namespace

// -- items -------------------------------------------------------------------

byte_vector item_key(item_kind kind, const member_id& of) {
  return key_of(kind, of.bytes);
}

byte_vector item_key(item_kind kind, std::string_view name) {
  return key_of(kind, bytes_of(name));
}

byte_vector epoch_key(std::uint64_t epoch) {
  return key_of(item_kind::secret, number_bytes(epoch));
}

std::optional<item_kind> kind_of(const_byte_span key) {
  if (key.empty())
    return std::nullopt;
  const auto kind = static_cast<item_kind>(key.front());
  const auto whose = key.subspan(1);
  switch (kind) {
    case item_kind::certificate:
    case item_kind::record:
      if (whose.size() == member_id::size)
        return kind;
      break;
    case item_kind::issuer:
    case item_kind::list:
      if (is_network_word(text_of(whose)))
        return kind;
      break;
    case item_kind::secret:
      if (whose.size() == sizeof(std::uint64_t))
        return kind;
      break;
  }
  return std::nullopt;
}

std::optional<member_id> member_of(const_byte_span key) {
  const auto kind = kind_of(key);
  if (kind != item_kind::certificate && kind != item_kind::record)
    return std::nullopt;
  member_id id;
  std::copy(key.begin() + 1, key.end(), id.bytes.begin());
  return id;
}

std::optional<std::string> issuer_of(const_byte_span key) {
  const auto kind = kind_of(key);
  if (kind != item_kind::issuer && kind != item_kind::list)
    return std::nullopt;
  return text_of(key.subspan(1));
}

std::optional<std::uint64_t> epoch_of(const_byte_span key) {
  if (kind_of(key) != item_kind::secret)
    return std::nullopt;
  return load_be<std::uint64_t>(key.data() + 1);
}

std::size_t most_item_bytes(item_kind kind) {
  switch (kind) {
    case item_kind::issuer:
    case item_kind::certificate:
      return most_certificate_bytes;
    case item_kind::record:
      return most_record_bytes;
    case item_kind::list:
      static_assert(most_revocation_bytes + sizeof(signature)
                    <= largest_store_value);
      return most_revocation_bytes + sizeof(signature);
    case item_kind::secret:
      return most_sealed_bytes;
  }
  return 0;
}

bool is_item(const network_item& item) {
  const auto kind = kind_of(item.key);
  return kind && !item.content.empty()
         && item.content.size() <= most_item_bytes(*kind);
}

byte_vector write_list_item(const signed_bytes& list) {
  return joined({list.content, list.signed_with});
}

std::optional<signed_bytes> read_list_item(const_byte_span content) {
  constexpr auto behind = sizeof(signature);
  if (content.size() <= behind)
    return std::nullopt;
  signed_bytes list;
  const auto signed_part = content.first(content.size() - behind);
  list.content.assign(signed_part.begin(), signed_part.end());
  std::copy_n(content.last(behind).begin(), behind, list.signed_with.begin());
  return list;
}

std::string store_key_of(const_byte_span item_key) {
  return std::string{item_prefix} + to_hex_text(item_key);
}

std::optional<byte_vector> item_key_of(std::string_view store_key) {
  if (!store_key.starts_with(item_prefix))
    return std::nullopt;
  store_key.remove_prefix(item_prefix.size());
  if (store_key.size() % 2 != 0 || store_key.size() > 2 * most_key_bytes)
    return std::nullopt;
  byte_vector key(store_key.size() / 2);
  if (!read_hex_text(store_key, key) || !kind_of(key))
    return std::nullopt;
  return key;
}

// -- parts of messages -------------------------------------------------------

namespace {

std::vector<network_item>
read_items(fields& from, const char* name, std::size_t most) {
  std::vector<network_item> items;
  for (const auto& each : from.list(name, most)) {
    fields item(each, "item");
    items.push_back({item.bytes("key", most_key_bytes),
                     item.bytes("content", most_directory_frame_bytes)});
    // What kinds a later version has is no mistake; who takes it looks.
    if (item.finish() || items.back().key.empty()) {
      from.fail(name, "has something that is no item");
      return {};
    }
  }
  return items;
}

constexpr std::size_t bucket_set_bytes = bucket_count / 8;

value write_buckets(const bucket_set& buckets) {
  byte_array<bucket_set_bytes> bytes{};
  for (std::size_t i = 0; i < bucket_count; ++i) {
    if (buckets[i])
      bytes[i / 8] |= std::byte{1} << (i % 8);
  }
  return cbor::binary(bytes);
}

bucket_set read_buckets(fields& from, const char* name) {
  byte_array<bucket_set_bytes> bytes{};
  from.bytes(name, bytes);
  bucket_set buckets;
  for (std::size_t i = 0; i < bucket_count; ++i)
    buckets[i] = (bytes[i / 8] & (std::byte{1} << (i % 8))) != std::byte{0};
  return buckets;
}

std::uint16_t read_version(fields& from) {
  return static_cast<std::uint16_t>(from.number("version", 0xffff));
}

// -- member -> directory -----------------------------------------------------

value write(const member_hello& what) {
  return value{{"version", what.version}, {"instance", what.instance}};
}
value write(const compare_items& what) {
  return value{{"have", cbor::binary(what.have.bytes())}};
}
value write(const next_page&) {
  return value::object();
}
value write(const offer_items& what) {
  return value{{"items", terms::write(what.items)}};
}
value write(const offer_large& what) {
  return value{{"key", cbor::binary(what.key)},
               {"size", what.size},
               {"digest", cbor::binary(what.digest)}};
}
value write(const offer_part& what) {
  return value{{"key", cbor::binary(what.key)},
               {"at", what.at},
               {"bytes", cbor::binary(what.bytes)}};
}
value write(const publish_record& what) {
  return value{{"number", what.number}, {"record", cbor::binary(what.record)}};
}
value write(const renew_certificate& what) {
  return value{{"number", what.number},
               {"request", cbor::binary(what.request)}};
}
value write(const leave_network& what) {
  return value{{"number", what.number},
               {"request", cbor::binary(what.request)}};
}
value write(const members_ping&) {
  return value::object();
}

void read(fields& from, member_hello& what) {
  what.version = read_version(from);
  if (from.has("instance"))
    what.instance = from.number("instance");
}
void read(fields& from, compare_items& what) {
  constexpr auto size = bucket_count * bucket_digests::digest_size;
  if (const auto have = bucket_digests::read(from.bytes("have", size)))
    what.have = *have;
  else
    from.fail("have", "is not a digest for each bucket");
}
void read(fields&, next_page&) {
}
void read(fields& from, offer_items& what) {
  what.items = read_items(from, "items", most_offered_items);
}
void read(fields& from, offer_large& what) {
  what.key = from.bytes("key", most_key_bytes);
  what.size = from.number("size");
  from.bytes("digest", what.digest);
}
void read(fields& from, offer_part& what) {
  what.key = from.bytes("key", most_key_bytes);
  what.at = from.number("at");
  what.bytes = from.bytes("bytes", most_offered_bytes);
}
void read(fields& from, publish_record& what) {
  what.number = from.number("number");
  what.record = from.bytes("record", most_record_bytes);
}
void read(fields& from, renew_certificate& what) {
  what.number = from.number("number");
  what.request = from.bytes("request", most_own_request_bytes);
}
void read(fields& from, leave_network& what) {
  what.number = from.number("number");
  what.request = from.bytes("request", most_own_request_bytes);
}
void read(fields&, members_ping&) {
}

// -- directory -> member -----------------------------------------------------

value write(const directory_welcome& what) {
  return value{{"version", what.version},
               {"store", cbor::binary(what.store)},
               {"revision", what.revision},
               {"recovering", what.recovering},
               {"record", cbor::binary(what.last_record)},
               {"cut off", what.cut_off}};
}
value write(const directory_cut_off& what) {
  return value{{"is", what.is_so}};
}
value write(const items_page& what) {
  return value{{"buckets", write_buckets(what.buckets)},
               {"items", terms::write(what.items)},
               {"last", what.last},
               {"revision", what.revision}};
}
value write(const items_changed& what) {
  return value{{"revision", what.revision},
               {"items", terms::write(what.items)},
               {"gone", terms::write(what.gone)}};
}
value write(const want_part& what) {
  return value{{"key", cbor::binary(what.key)}, {"at", what.at}};
}
value write(const compare_again&) {
  return value::object();
}
value write(const request_done& what) {
  return value{{"number", what.number}};
}
value write(const request_refused& what) {
  value map{{"number", what.number}};
  terms::write(map, what.why);
  return map;
}
value write(const request_certified& what) {
  value map{{"number", what.number},
            {"certificates", terms::write(what.certificates)}};
  terms::write(map, what.secret);
  return map;
}
value write(const endpoint_seen& what) {
  return value{{"at", to_string(what.where)}};
}
value write(const members_pong&) {
  return value::object();
}

void read(fields& from, directory_welcome& what) {
  what.version = read_version(from);
  from.bytes("store", what.store);
  what.revision = from.number("revision");
  what.recovering = from.flag("recovering");
  what.last_record = from.bytes("record", most_record_bytes);
  what.cut_off = from.has("cut off") && from.flag("cut off");
}
void read(fields& from, directory_cut_off& what) {
  what.is_so = from.flag("is");
}
void read(fields& from, items_page& what) {
  what.buckets = read_buckets(from, "buckets");
  what.items = read_items(from, "items", most_page_items);
  what.last = from.flag("last");
  what.revision = from.number("revision");
}
void read(fields& from, items_changed& what) {
  what.revision = from.number("revision");
  what.items = read_items(from, "items", most_page_items);
  what.gone = terms::read_byte_strings(from, "gone", most_page_items,
                                       {1, most_key_bytes},
                                       "has something that is no key");
}
void read(fields& from, want_part& what) {
  what.key = from.bytes("key", most_key_bytes);
  what.at = from.number("at");
}
void read(fields&, compare_again&) {
}
void read(fields& from, request_done& what) {
  what.number = from.number("number");
}
void read(fields& from, request_refused& what) {
  what.number = from.number("number");
  what.why = terms::read_refused(from);
}
void read(fields& from, request_certified& what) {
  what.number = from.number("number");
  what.certificates
    = terms::read_certificates(from, "certificates", most_join_certificates);
  what.secret = terms::read_secret(from);
}
void read(fields& from, endpoint_seen& what) {
  const auto text = from.text("at", longest_endpoint);
  const auto where = parse_endpoint(text);
  if (where && to_string(*where) == text)
    what.where = *where;
  else
    from.fail("at", "is no endpoint");
}
void read(fields&, members_pong&) {
}

// -- whole messages ----------------------------------------------------------

template <class Message, class Kinds>
byte_vector encode(const Message& message, const Kinds& kinds) {
  auto map = std::visit([](const auto& each) { return write(each); }, message);
  map["what"] = std::string{kinds.at(message.index())};
  return with_length(cbor::write(map));
}

/// The alternative of that number, read.
template <class Message, std::size_t Index = 0>
Message read_alternative(std::size_t index, fields& from) {
  if constexpr (Index < std::variant_size_v<Message>) {
    if (index != Index)
      return read_alternative<Message, Index + 1>(index, from);
    std::variant_alternative_t<Index, Message> message;
    read(from, message);
    return message;
  } else {
    from.fail("what", "is no message");
    return {};
  }
}

template <class Message, class Kinds>
accepted<std::optional<Message>>
decode(const_byte_span frame, std::size_t most, const Kinds& kinds) {
  const auto map = cbor::read(frame, most, "message");
  if (!map)
    return tl::unexpected(map.error());
  fields from(*map, "message");
  const auto name = from.text("what", longest_kind);
  const auto kind = std::find(kinds.begin(), kinds.end(), name);
  std::optional<Message> message;
  if (!from.failed() && kind != kinds.end())
    message = read_alternative<Message>(
      static_cast<std::size_t>(kind - kinds.begin()), from);
  if (auto wrong = from.finish())
    return tl::unexpected(std::move(*wrong));
  return message;
}

} // namespace

byte_vector encode_frame(const member_message& message) {
  return encode(message, member_kinds);
}

byte_vector encode_frame(const directory_message& message) {
  return encode(message, directory_kinds);
}

accepted<std::optional<member_message>>
read_member_message(const_byte_span frame) {
  return decode<member_message>(frame, most_member_frame_bytes, member_kinds);
}

accepted<std::optional<directory_message>>
read_directory_message(const_byte_span frame) {
  return decode<directory_message>(frame, most_directory_frame_bytes,
                                   directory_kinds);
}

} // namespace weft
