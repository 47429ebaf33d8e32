#include "messages/inspect.hpp"

#include "config/values.hpp"
#include "messages/errors.hpp"

#include <cerrno>

namespace weft {

namespace {

/// Keeps what was read, or says what is wrong with it.
template <class From, class To>
caf::error keep(value_or_message<From>&& read, To& to) {
  if (!read)
    return make_error(EINVAL, std::move(read.error()));
  to = std::move(*read);
  return {};
}

} // namespace

caf::error not_in_enumeration() {
  return make_error(EINVAL, "a number stands for nothing that is known here");
}

namespace wire_text {

std::string from(const public_key& key) {
  return to_string(key);
}
std::string from(const ip_prefix& prefix) {
  return to_string(prefix);
}
std::string from(const endpoint& where) {
  return to_string(where);
}
std::string from(const endpoint_config& where) {
  return to_string(where);
}

caf::error read(const std::string& text, public_key& key) {
  auto bytes = from_base64(text);
  if (!bytes)
    return make_error(EINVAL, "a public key is not 44 characters of base64");
  key = to_public_key(*bytes);
  return {};
}
caf::error read(const std::string& text, ip_prefix& prefix) {
  return keep(read_prefix(text), prefix);
}
caf::error read(const std::string& text, endpoint& where) {
  auto parsed = parse_endpoint(text);
  if (!parsed)
    return make_error(EINVAL, strings::quote(text) + " is no endpoint");
  where = *parsed;
  return {};
}
caf::error read(const std::string& text, endpoint_config& where) {
  return keep(read_endpoint(text), where);
}

} // namespace wire_text

} // namespace weft
