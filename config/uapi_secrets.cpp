#include "config/uapi_secrets.hpp"

#include "config/fields.hpp"

namespace weft {

std::optional<uapi_secrets> parse_uapi_secrets(std::string_view answer) {
  constexpr auto own_key = row_of<&interface_config::private_key>().uapi;
  constexpr auto peer_key = row_of<&peer_config::public_key>().uapi;
  constexpr auto shared_key = row_of<&peer_config::preshared_key>().uapi;
  uapi_secrets found;
  preshared_key* of_peer = nullptr;
  bool succeeded = false;
  while (!answer.empty()) {
    const auto end = std::min(answer.find('\n'), answer.size());
    const auto line = answer.substr(0, end);
    answer.remove_prefix(std::min(end + 1, answer.size()));
    const auto equals = std::min(line.find('='), line.size());
    const auto key = line.substr(0, equals);
    const auto value = line.substr(std::min(equals + 1, line.size()));
    if (key == "errno")
      succeeded = value == "0";
    if (key != own_key && key != peer_key && key != shared_key)
      continue;
    const auto bytes = from_hex(value);
    if (!bytes || (key == shared_key && of_peer == nullptr))
      return std::nullopt;
    if (key == own_key)
      found.private_key = private_key{*bytes};
    else if (key == peer_key)
      of_peer = &found.preshared_keys[to_public_key(*bytes)];
    else
      *of_peer = preshared_key{*bytes};
  }
  if (!succeeded)
    return std::nullopt;
  return found;
}

} // namespace weft
