// The token that lets a node join: one line to copy and paste.
//
//   weft1-BASE64URL
//
// Behind the base64 (RFC 4648, section 5, no padding): the SHA-256 fingerprint
// of the root's certificate (32), the seed (32), the number of directory
// addresses (1), for each its port (2) and its host's length (1) and text, and
// the first four bytes of the SHA-256 of all before, which tells a mistyped
// token from a refused one.
#pragma once

#include "protocol/network/places.hpp"
#include "protocol/network/refusal.hpp"
#include "protocol/network/signing.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// As to_string() writes one.
accepted<directory_address> parse_directory_address(std::string_view text);

struct join_token {
  std::vector<directory_address> directories; ///< 1-8
  sha256_digest root{}; ///< fingerprint of its certificate
  signing_seed seed;    ///< lets in who has it, until the invitation ends
};

inline constexpr std::size_t most_directories = 8;
/// No token has more characters.
inline constexpr std::size_t longest_token = 4096;

/// What is wrong with the parts of a token, or nothing.
std::optional<std::string> mistake_in(const join_token& token);

/// The line.  It is a secret: wipe it (wipe_text) when it has been shown.
/// Throws std::invalid_argument if mistake_in() finds one.
std::string to_secret_text(const join_token& token);

/// Spaces and line ends around it are ignored.  Errors do not repeat the text.
accepted<join_token> parse_token(std::string_view text);

} // namespace weft
