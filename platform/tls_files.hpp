// Which files one end of a TLS connection shows, and believes.
#pragma once

#include <string>

namespace weft {

/// Where the PEM files are.
struct tls_files {
  std::string certificate; ///< followed by those between it and the authority
  std::string key;
  std::string authority;   ///< whose certificates are trusted; one or more
  std::string revocations; ///< a list of each authority; empty: none
  /// Where the numbers of the newest lists outlive the process, so that an
  /// older one cannot come after them; empty: nowhere.  weft writes it.
  std::string memory{};

  bool operator==(const tls_files&) const = default;
};

} // namespace weft
