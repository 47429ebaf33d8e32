// CBOR (RFC 8949) for what the network signs, keeps and sends: maps with short
// names, bounded before anything of it is believed.  Private to
// protocol/network/.
//
// A map may have fields that the reader does not know: they are ignored, unless
// their name begins with `!`: then the whole is refused.
#pragma once

#include "protocol/network/ids.hpp"
#include "protocol/network/refusal.hpp"

#include <nlohmann/json.hpp>

#include <set>

namespace weft::cbor {

using value = nlohmann::json;

/// How deep values may lie within each other.
inline constexpr std::size_t most_depth = 6;

byte_vector write(const value& what);
value binary(const_byte_span bytes);

/// The one value that all of `bytes` is: at most `most_bytes` of them, no
/// deeper than most_depth, without tags, without what is of unknown length,
/// without numbers that are no integers, and without a name twice in a map.
/// `what` begins the errors.
accepted<value>
read(const_byte_span bytes, std::size_t most_bytes, const std::string& what);

/// Reads the fields of a map.  The first that is missing or wrong is remembered
/// and what follows is empty, so that callers look once, at the end.
class fields {
public:
  fields(const value& map, std::string what);

  bool has(const char* name) const;
  std::uint64_t
  number(const char* name, std::uint64_t most = ~std::uint64_t{0});
  bool flag(const char* name);
  std::string text(const char* name, std::size_t most);
  network_time time(const char* name);
  byte_vector bytes(const char* name, std::size_t most);
  /// Exactly as many as there is room for.
  void bytes(const char* name, byte_span out);
  /// At most `most` values.
  const value& list(const char* name, std::size_t most);

  template <class Id>
  Id id(const char* name) {
    Id result;
    bytes(name, result.bytes);
    return result;
  }

  /// Remembers that the field is wrong.
  void fail(const char* name, std::string_view how);
  bool failed() const {
    return error_.has_value();
  }
  /// What was wrong, or a critical field that nobody read.
  std::optional<refused> finish();

private:
  const value* find(const char* name);

  const value& map_;
  std::string what_;
  std::set<std::string> known_;
  std::optional<refused> error_;
};

} // namespace weft::cbor
