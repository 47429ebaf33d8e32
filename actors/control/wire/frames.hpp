// Frames of BASP, the protocol that CAF 0.17.6 speaks between processes: a
// header of 32 bytes in network order, and a payload.
#pragma once

#include "protocol/base/bytes.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::basp {

inline constexpr std::size_t header_size = 32;

/// What the handshake of CAF 0.17 says of its version.
inline constexpr std::uint64_t version = 3;

enum class operation : std::uint8_t {
  server_handshake,
  client_handshake,
  direct_message,
  routed_message,
  monitor_message,
  down_message,
  heartbeat,
};

/// Flags of a header.
inline constexpr std::uint8_t named_receiver = 1;
inline constexpr std::uint8_t select_connection = 2;

struct header {
  operation what = operation::heartbeat; ///< may be none of the above
  std::uint8_t flags = 0;
  std::uint32_t length = 0; ///< of the payload
  std::uint64_t data = 0;   ///< of a message: its id; of a handshake: a version
  std::uint64_t source = 0; ///< an actor; 0: none
  std::uint64_t destination = 0;
};

/// `bytes` has header_size of them, or more.
header parse_header(std::string_view bytes);
std::string to_bytes(const header& from);

/// What is said when nothing else is to be said.
inline std::string heartbeat() {
  return to_bytes({});
}

/// The id of a message: whether it is a request, an answer or neither, and
/// which.
struct message_id {
  std::uint64_t value = 0;

  std::uint64_t number() const {
    return value & 0x0fff'ffff'ffff'ffff;
  }
  bool is_response() const {
    return (value >> 63) != 0;
  }
  /// Neither answered already, nor part of a stream.
  bool is_request() const {
    return number() != 0 && (value >> 61) == 0;
  }
};

/// Where the content of a message begins: after the stages, of which there
/// are none, and the name of its types.
struct message_head {
  enum class state : std::uint8_t {
    complete,
    incomplete, ///< needs more bytes
    malformed,  ///< has stages, or a name that is no name of weft's
  };
  state is = state::malformed;
  std::string_view types; ///< `@<>` and `+TYPE` for each element
  std::size_t size = 0;   ///< the content follows
};

/// Reads the beginning of a message's payload.
message_head parse_message_head(std::string_view payload);

/// Looks at an error that is part of a message.  Its context is a message of
/// any types, which CAF makes and reads: it is complete only if these are the
/// harmless ones that errors of weft's and CAF's have.
message_head::state parse_error(std::string_view payload);

std::uint64_t load_u64(std::string_view from, std::size_t offset);

} // namespace weft::basp
