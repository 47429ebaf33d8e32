#include "protocol/network/renewal.hpp"

#include "protocol/network/terms.hpp"

namespace weft {

namespace {

const std::string what_it_is = "request of a member";
constexpr std::string_view renewal_context = "weft renewal 1";
constexpr std::string_view leave_context = "weft leave 1";
constexpr std::size_t longest_context = 32;

byte_vector sign_map(const cbor::value& map, const signing_seed& seed) {
  const auto made = sign_bytes(seed, cbor::write(map));
  return cbor::write(
    cbor::value{{"request", cbor::binary(made.content)},
                {"signature", cbor::binary(made.signed_with)}});
}

accepted<signed_bytes> read_signed(const_byte_span bytes) {
  const auto map = cbor::read(bytes, most_own_request_bytes, what_it_is);
  if (!map)
    return tl::unexpected(map.error());
  cbor::fields from(*map, what_it_is);
  signed_bytes result;
  result.content = from.bytes("request", most_own_request_bytes);
  from.bytes("signature", result.signed_with);
  if (auto wrong = from.finish())
    return tl::unexpected(std::move(*wrong));
  return result;
}

/// What both kinds begin with.
template <class Request>
Request read_asker(cbor::fields& from) {
  Request request;
  request.network = from.id<network_id>("network");
  request.member = from.id<member_id>("member");
  request.generation = from.number("generation");
  return request;
}

own_request read_kind(cbor::fields& from) {
  const auto kind = from.text("!what", longest_context);
  if (kind == leave_context)
    return read_asker<leave_request>(from);
  if (kind != renewal_context)
    from.fail("!what", "is neither a renewal nor a leave");
  auto request = read_asker<renewal_request>(from);
  from.bytes("key", request.key.bytes);
  from.bytes("certificate", request.certificate.bytes);
  return request;
}

} // namespace

byte_vector
make_renewal(const renewal_request& what, const signing_seed& present) {
  return sign_map(
    cbor::value{{"!what", std::string{renewal_context}},
                {"network", cbor::binary(what.network.bytes)},
                {"member", cbor::binary(what.member.bytes)},
                {"generation", what.generation},
                {"key", cbor::binary(what.key.bytes)},
                {"certificate", cbor::binary(what.certificate.bytes)}},
    present);
}

byte_vector make_leave(const leave_request& what, const signing_seed& present) {
  return sign_map(cbor::value{{"!what", std::string{leave_context}},
                              {"network", cbor::binary(what.network.bytes)},
                              {"member", cbor::binary(what.member.bytes)},
                              {"generation", what.generation}},
                  present);
}

accepted<own_request> read_own_request(const_byte_span bytes) {
  const auto outer = read_signed(bytes);
  if (!outer)
    return tl::unexpected(outer.error());
  const auto map
    = cbor::read(outer->content, most_own_request_bytes, what_it_is);
  if (!map)
    return tl::unexpected(map.error());
  cbor::fields from(*map, what_it_is);
  auto request = read_kind(from);
  if (auto wrong = from.finish())
    return tl::unexpected(std::move(*wrong));
  return request;
}

bool is_own_request_signed_by(const verifying_key& present,
                              const_byte_span bytes) {
  const auto outer = read_signed(bytes);
  return outer && is_signed_by(present, *outer);
}

} // namespace weft
