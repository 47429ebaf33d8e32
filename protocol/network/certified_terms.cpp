#include "protocol/network/certified_terms.hpp"

#include "protocol/network/terms.hpp"

namespace weft::terms {

cbor::value write(const certificate_contents& contents) {
  return to_uris(contents);
}

cbor::value write(const certificate_terms& terms) {
  return cbor::value::object(
    {{"says", write(certificate_contents{terms.contents})},
     {"key", cbor::binary(terms.key.bytes)},
     {"from", seconds(terms.from)},
     {"until", seconds(terms.until)}});
}

const cbor::value&
read_map(cbor::fields& from, const cbor::value& map, const char* name) {
  static const auto empty = cbor::value::object();
  if (from.has(name) && map[name].is_object())
    return map[name];
  from.fail(name, "is no map");
  return empty;
}

std::vector<std::string> read_uri_list(cbor::fields& from, const char* name) {
  constexpr std::size_t most_uris = 64;
  std::vector<std::string> uris;
  for (const auto& each : from.list(name, most_uris)) {
    const auto* text = each.get_ptr<const std::string*>();
    uris.push_back(text != nullptr ? *text : std::string{});
  }
  return uris;
}

certificate_terms
read_terms(cbor::fields& whole, const cbor::value& map, const char* name) {
  cbor::fields from(read_map(whole, map, name), name);
  certificate_terms terms;
  terms.contents = read_contents<member_contents>(from, "says");
  from.bytes("key", terms.key.bytes);
  terms.from = from.time("from");
  terms.until = from.time("until");
  if (from.finish())
    whole.fail(name, "are none of a certificate");
  return terms;
}

} // namespace weft::terms
