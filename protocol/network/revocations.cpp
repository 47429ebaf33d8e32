#include "protocol/network/revocations.hpp"

#include "protocol/network/terms.hpp"

#include <algorithm>

namespace weft {

namespace {

const std::string what_it_is = "list of revocations";
constexpr std::string_view context = "weft revocations 1";

} // namespace

std::uint64_t next_revocation_number(std::uint64_t last, network_time now) {
  return std::max(last + 1, terms::seconds(now));
}

byte_vector encode(const revocation_list& list) {
  byte_vector ids;
  ids.reserve(list.removed.size() * member_id::size);
  for (const auto& each : list.removed)
    ids.insert(ids.end(), each.bytes.begin(), each.bytes.end());
  return cbor::write(cbor::value{{"!what", std::string{context}},
                                 {"network", cbor::binary(list.network.bytes)},
                                 {"issuer", list.issuer},
                                 {"number", list.number},
                                 {"issued", terms::seconds(list.issued)},
                                 {"removed", cbor::binary(ids)}});
}

accepted<revocation_list> read_revocation_list(const_byte_span bytes) {
  const auto map = cbor::read(bytes, most_revocation_bytes, what_it_is);
  if (!map)
    return tl::unexpected(map.error());
  cbor::fields from(*map, what_it_is);
  terms::read_context(from, context);
  revocation_list list;
  list.network = from.id<network_id>("network");
  list.issuer = from.text("issuer", longest_network_word);
  list.number = from.number("number");
  list.issued = from.time("issued");
  const auto ids = from.bytes("removed", most_revocations * member_id::size);
  if (ids.size() % member_id::size != 0)
    from.fail("removed", "ends within an id");
  if (auto wrong = from.finish())
    return tl::unexpected(std::move(*wrong));
  for (std::size_t at = 0; at < ids.size(); at += member_id::size) {
    member_id id;
    std::copy_n(ids.begin() + static_cast<std::ptrdiff_t>(at), member_id::size,
                id.bytes.begin());
    list.removed.insert(id);
  }
  return list;
}

} // namespace weft
