// What the two ends of a control connection tell each other before the first
// frame: one message of a fixed size each, the client's first.  Their first
// twelve bytes stay as they are in all versions to come.
#pragma once

#include "messages/control.hpp"
#include "protocol/base/control_role.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

struct client_hello {
  static constexpr std::size_t size = 64;
  /// CAF's id of a node, as it is serialized.
  static constexpr std::size_t node_size = 32;

  std::uint32_t version = control_version;
  std::string node;
};

/// Whether a client comes in.
enum class admission : std::uint8_t {
  granted,
  refused,   ///< and the next time as well, until somebody changes something
  try_later, ///< only for now
};

constexpr admission last_of(admission) {
  return admission::try_later;
}

struct server_hello {
  static constexpr std::size_t size = 512;

  std::uint32_t version = control_version;
  admission answer = admission::refused;
  control_role role = control_role::view; ///< that was granted
  std::uint16_t code = 0;                 ///< errno of a refusal
  std::string interface;
  /// Of a refusal, why: a clause without its end.  Else who the client is:
  /// `user root`.
  std::string text;
};

std::string to_bytes(const client_hello& from);
std::string to_bytes(const server_hello& from);

/// Nothing if `bytes`, of the right size, are no hello.  One of another
/// version has only that.
std::optional<client_hello> parse_client_hello(std::string_view bytes);
std::optional<server_hello> parse_server_hello(std::string_view bytes);

} // namespace weft
