// The numbers of the WireGuard paper: sizes and times, and its four messages on
// the wire (sections 5.4 and 6.1) as offsets and lengths, for messages are read
// and written where they lie.
#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/time.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace weft {

/// Of Curve25519, both halves, and of ChaCha20-Poly1305.
inline constexpr std::size_t key_size = 32;
/// What ChaCha20-Poly1305 adds to a text (RFC 8439).
inline constexpr std::size_t aead_tag_size = 16;

/// Bytes in front of the encrypted packet of a transport message (type,
/// receiver index, counter), and of the tag behind it (paper, 5.4.6).
inline constexpr std::size_t transport_header_size = 16;
inline constexpr std::size_t transport_tag_size = aead_tag_size;
inline constexpr std::size_t transport_overhead
  = transport_header_size + transport_tag_size;

/// Inner packets are padded with zeros to a multiple of this (paper, 5.4.6).
inline constexpr std::size_t padding_multiple = 16;

/// WireGuard paper, section 6.1.
namespace limits {

using namespace std::chrono_literals;

inline constexpr std::uint64_t rekey_after_messages = std::uint64_t{1} << 60;
inline constexpr std::uint64_t reject_after_messages
  = ~std::uint64_t{0} - (std::uint64_t{1} << 13);
inline constexpr duration rekey_after_time = 120s;
inline constexpr duration reject_after_time = 180s;
inline constexpr duration rekey_attempt_time = 90s;
inline constexpr duration rekey_timeout = 5s;
inline constexpr duration max_jitter = 333ms;
inline constexpr duration keepalive_timeout = 10s;
/// For how long a cookie secret is used, and a received cookie believed in
/// (5.4.4 and 5.4.7).
inline constexpr duration cookie_lifetime = 120s;
/// Initiations of one peer that are looked at: at most one in this time.
inline constexpr duration min_initiation_interval = 20ms;

} // namespace limits

enum class message_type : std::uint8_t {
  initiation = 1,
  response = 2,
  cookie_reply = 3,
  transport = 4,
};

constexpr std::string_view to_string(message_type type) {
  switch (type) {
    case message_type::initiation:
      return "initiation";
    case message_type::response:
      return "response";
    case message_type::cookie_reply:
      return "cookie reply";
    case message_type::transport:
      break;
  }
  return "transport message";
}

namespace wire {

inline constexpr std::size_t mac_size = 16;
inline constexpr std::size_t timestamp_size = 12; ///< TAI64N
inline constexpr std::size_t cookie_size = 16;
inline constexpr std::size_t cookie_nonce_size = 24; ///< XChaCha20-Poly1305

/// type(4) sender(4) ephemeral(32) static(32+16) timestamp(12+16) mac1 mac2
inline constexpr std::size_t initiation_size = 148;
inline constexpr std::size_t initiation_sender = 4;
inline constexpr std::size_t initiation_ephemeral = 8;
inline constexpr std::size_t initiation_static = 40;
inline constexpr std::size_t initiation_timestamp = 88;

/// type(4) sender(4) receiver(4) ephemeral(32) empty(16) mac1 mac2
inline constexpr std::size_t response_size = 92;
inline constexpr std::size_t response_sender = 4;
inline constexpr std::size_t response_receiver = 8;
inline constexpr std::size_t response_ephemeral = 12;
inline constexpr std::size_t response_empty = 44;

/// type(4) receiver(4) nonce(24) cookie(16+16)
inline constexpr std::size_t cookie_reply_size = 64;
inline constexpr std::size_t cookie_reply_receiver = 4;
inline constexpr std::size_t cookie_reply_nonce = 8;
inline constexpr std::size_t cookie_reply_cookie = 32;

/// type(4) receiver(4) counter(8) packet(n+16)
inline constexpr std::size_t transport_receiver = 4;
inline constexpr std::size_t transport_counter = 8;
inline constexpr std::size_t transport_packet = transport_header_size;
/// A keepalive.
inline constexpr std::size_t transport_min_size = transport_overhead;

/// The message's type if type, reserved bytes and length are right.
constexpr std::optional<message_type> classify(const_byte_span datagram) {
  if (datagram.size() < transport_min_size || datagram[1] != std::byte{0}
      || datagram[2] != std::byte{0} || datagram[3] != std::byte{0})
    return std::nullopt;
  const auto size = datagram.size();
  switch (static_cast<std::uint8_t>(datagram[0])) {
    case 1:
      if (size == initiation_size)
        return message_type::initiation;
      break;
    case 2:
      if (size == response_size)
        return message_type::response;
      break;
    case 3:
      if (size == cookie_reply_size)
        return message_type::cookie_reply;
      break;
    case 4:
      return message_type::transport;
    default:
      break;
  }
  return std::nullopt;
}

} // namespace wire

using initiation_message = byte_array<wire::initiation_size>;
using response_message = byte_array<wire::response_size>;
using cookie_reply_message = byte_array<wire::cookie_reply_size>;

} // namespace weft
