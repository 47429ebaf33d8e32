// The secrets in an answer to `get=1` (wireguard.com/xplatform).
#pragma once

#include "protocol/base/keys.hpp"

#include <optional>
#include <string_view>
#include <unordered_map>

namespace weft {

struct uapi_secrets {
  weft::private_key private_key; ///< zero: none is set
  std::unordered_map<public_key, preshared_key> preshared_keys; ///< zero: none
};

/// Nothing if it is no whole answer, or one that says that it failed.
std::optional<uapi_secrets> parse_uapi_secrets(std::string_view answer);

} // namespace weft
