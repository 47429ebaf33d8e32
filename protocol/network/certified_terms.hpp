// What certificates are made of, as values of CBOR.  Private to
// protocol/network/.
#pragma once

#include "protocol/network/cbor.hpp"
#include "protocol/network/journal.hpp"

namespace weft::terms {

cbor::value write(const certificate_contents& contents);
cbor::value write(const certificate_terms& terms);

/// The map that `map` has under a name; an empty one and a failure: none.
const cbor::value&
read_map(cbor::fields& from, const cbor::value& map, const char* name);

std::vector<std::string> read_uri_list(cbor::fields& from, const char* name);

template <class Contents>
Contents read_contents(cbor::fields& from, const char* name) {
  auto contents = read_uris_as<Contents>(read_uri_list(from, name));
  if (!contents) {
    from.fail(name, "says what no certificate does");
    return {};
  }
  return std::move(*contents);
}

certificate_terms
read_terms(cbor::fields& whole, const cbor::value& map, const char* name);

} // namespace weft::terms
