// Addresses of web servers, as libcurl reads them: what is checked is what is
// spoken to.  Private to platform/store/.
#pragma once

#include <optional>
#include <string>

namespace weft {

struct web_address {
  bool secure = false; ///< https, otherwise http
  std::string host;    ///< an IPv6 address without brackets
  bool has_port = false;
  bool has_user = false; ///< or a password, or options
  bool has_more = false; ///< a path, a query, a fragment or a zone
};

/// Nothing: it is none, or neither of http nor of https.
std::optional<web_address> read_address(const std::string& text);

/// To be printed: without the name and the password that may stand in it,
/// whatever else is wrong with it.
std::string without_user(const std::string& text);

} // namespace weft
