#include "protocol/network/record.hpp"

#include "protocol/network/terms.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

namespace weft {

namespace {

const std::string what_it_is = "record";
constexpr std::string_view context = "weft record 1";
constexpr std::size_t header_size
  = context.size() + network_id::size + member_id::size + 16;
constexpr std::size_t signature_size = sizeof(signature);

constexpr std::array all_sources{endpoint_source::file, endpoint_source::link,
                                 endpoint_source::seen};

bool is_reachable(const endpoint& where) {
  static const std::array<ip_prefix, 7> unreachable{
    *parse_ip_prefix("0.0.0.0/8"),      *parse_ip_prefix("127.0.0.0/8"),
    *parse_ip_prefix("169.254.0.0/16"), *parse_ip_prefix("224.0.0.0/3"),
    *parse_ip_prefix("::/127"),         *parse_ip_prefix("fe80::/10"),
    *parse_ip_prefix("ff00::/8")};
  return where.port != 0 && where.scope_id == 0
         && where.address == where.address.unmapped()
         && std::none_of(unreachable.begin(), unreachable.end(),
                         [&](const auto& each) {
                           return each.contains(where.address);
                         });
}

cbor::value write(const std::vector<published_endpoint>& endpoints) {
  auto list = cbor::value::array();
  for (const auto& each : endpoints)
    list.push_back(cbor::value{{"at", to_string(each.where)},
                               {"from", std::string{to_string(each.source)}}});
  return list;
}

published_endpoint read_endpoint(const cbor::value& from, cbor::fields& whole) {
  constexpr std::size_t longest_endpoint = 64;
  constexpr std::size_t longest_source = 16;
  cbor::fields fields(from, what_it_is + ": an endpoint");
  published_endpoint result;
  const auto text = fields.text("at", longest_endpoint);
  const auto where = parse_endpoint(text);
  const auto source
    = parse_endpoint_source(fields.text("from", longest_source));
  if (fields.finish() || !where || to_string(*where) != text || !source)
    whole.fail("endpoints", "has something that is no endpoint");
  else
    result = {*where, *source};
  return result;
}

accepted<record_content> read_content(const_byte_span bytes) {
  const auto map = cbor::read(bytes, most_record_bytes, what_it_is);
  if (!map)
    return tl::unexpected(map.error());
  cbor::fields from(*map, what_it_is);
  record_content content;
  for (const auto& each : from.list("endpoints", most_record_endpoints))
    content.endpoints.push_back(read_endpoint(each, from));
  content.relays = from.flag("relays");
  content.epoch = from.number("epoch");
  content.abilities
    = terms::read_words(from, "abilities", most_record_abilities);
  if (auto wrong = from.finish())
    return tl::unexpected(std::move(*wrong));
  if (auto wrong = find_mistake(content))
    return tl::unexpected(std::move(*wrong));
  return content;
}

} // namespace

std::string_view to_string(endpoint_source source) {
  switch (source) {
    case endpoint_source::file:
      return "file";
    case endpoint_source::link:
      return "link";
    case endpoint_source::seen:
      return "seen";
  }
  return "?";
}

std::optional<endpoint_source> parse_endpoint_source(std::string_view text) {
  for (const auto source : all_sources) {
    if (text == to_string(source))
      return source;
  }
  return std::nullopt;
}

member_record
member_record::make(const network_id& network, const member_id& member,
                    record_order order, const record_content& content,
                    const signing_seed& seed) {
  if (const auto wrong = find_mistake(content))
    throw std::invalid_argument(wrong->what);
  member_record record;
  record.network_ = network;
  record.member_ = member;
  record.order_ = order;
  record.content_ = content;
  record.bytes_
    = joined({bytes_of(context), network.bytes, member.bytes,
              number_bytes(order.generation), number_bytes(order.serial),
              cbor::write(cbor::value{{"endpoints", write(content.endpoints)},
                                      {"relays", content.relays},
                                      {"epoch", content.epoch},
                                      {"abilities", content.abilities}})});
  const auto made = sign(seed, record.bytes_);
  record.bytes_.insert(record.bytes_.end(), made.begin(), made.end());
  return record;
}

accepted<member_record> member_record::read(const_byte_span bytes) {
  if (bytes.size() > most_record_bytes
      || bytes.size() < header_size + signature_size)
    return refuse(refusal::malformed, "record: a record has up to "
                                        + std::to_string(most_record_bytes)
                                        + " bytes");
  const auto expected = bytes_of(context);
  if (!std::equal(expected.begin(), expected.end(), bytes.begin()))
    return refuse(refusal::malformed, "record: it is none");
  member_record record;
  const auto* at = bytes.data() + context.size();
  std::memcpy(record.network_.bytes.data(), at, network_id::size);
  at += network_id::size;
  std::memcpy(record.member_.bytes.data(), at, member_id::size);
  at += member_id::size;
  record.order_ = {load_be<std::uint64_t>(at), load_be<std::uint64_t>(at + 8)};
  auto content = read_content(
    bytes.subspan(header_size, bytes.size() - header_size - signature_size));
  if (!content)
    return tl::unexpected(std::move(content.error()));
  record.content_ = std::move(*content);
  record.bytes_.assign(bytes.begin(), bytes.end());
  return record;
}

bool member_record::verify(const verifying_key& key) const {
  const auto whole = const_byte_span(bytes_);
  signature signed_with{};
  std::memcpy(signed_with.data(), whole.last(signature_size).data(),
              signature_size);
  return weft::verify(key, whole.first(whole.size() - signature_size),
                      signed_with);
}

std::optional<refused> find_mistake(const record_content& content) {
  const auto wrong = [](std::string how) {
    return refused{refusal::malformed, what_it_is + ": " + std::move(how)};
  };
  if (content.endpoints.size() > most_record_endpoints)
    return wrong("more than " + std::to_string(most_record_endpoints)
                 + " endpoints");
  for (const auto& each : content.endpoints) {
    if (!is_reachable(each.where))
      return wrong(to_string(each.where)
                   + " is nowhere that another host could send to");
  }
  if (content.abilities.size() > most_record_abilities
      || !std::all_of(content.abilities.begin(), content.abilities.end(),
                      is_network_word))
    return wrong("abilities are up to " + std::to_string(most_record_abilities)
                 + " words of a-z, 0-9 and -");
  return std::nullopt;
}

const published_endpoint*
find_inside(const record_content& content, std::span<const ip_prefix> overlay) {
  for (const auto& each : content.endpoints) {
    if (std::any_of(overlay.begin(), overlay.end(), [&](const auto& range) {
          return range.contains(each.where.address);
        }))
      return &each;
  }
  return nullptr;
}

} // namespace weft
