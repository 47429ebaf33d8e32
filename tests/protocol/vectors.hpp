// Known answers that an implementation of its own has computed.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace weft::test::vectors {

#include "tests/protocol/vectors.inc"

/// One handshake, with or without a preshared key.
struct handshake {
  std::string_view psk;
  std::string_view initiation, response;
  std::string_view key_to_responder, key_to_initiator;
  std::string_view keepalive, data_to_responder, data_to_initiator;
};

inline constexpr auto handshakes = std::to_array<handshake>({
  {without_psk::psk, without_psk::initiation, without_psk::response,
   without_psk::key_to_responder, without_psk::key_to_initiator,
   without_psk::keepalive, without_psk::data_to_responder,
   without_psk::data_to_initiator},
  {with_psk::psk, with_psk::initiation, with_psk::response,
   with_psk::key_to_responder, with_psk::key_to_initiator, with_psk::keepalive,
   with_psk::data_to_responder, with_psk::data_to_initiator},
});

} // namespace weft::test::vectors
