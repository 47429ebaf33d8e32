// What programs call the troubles of a peer: names that stay, beside the
// sentences of peer_trouble.hpp.
#pragma once

#include "protocol/tunnel/peer_trouble.hpp"

#include <array>
#include <string>
#include <string_view>

namespace weft {

namespace cause {

inline constexpr std::string_view no_endpoint = "no_endpoint";
inline constexpr std::string_view no_handshake = "no_handshake";
inline constexpr std::string_view no_answer = "no_answer";
/// Nothing listens on that port.
inline constexpr std::string_view refused = "refused";
inline constexpr std::string_view network_error = "network_error";
inline constexpr std::string_view not_sent = "not_sent";
inline constexpr std::string_view answer_not_opened = "answer_not_opened";
inline constexpr std::string_view answers_unused = "answers_unused";
inline constexpr std::string_view clock_behind = "clock_behind";
inline constexpr std::string_view wrong_key_used = "wrong_key_used";
inline constexpr std::string_view key_shared = "key_shared";
inline constexpr std::string_view source_refused = "source_refused";
/// Refused, too: this host has the source as an address of its own.
inline constexpr std::string_view same_address = "same_address";
/// The name of its endpoint was not found.
inline constexpr std::string_view not_resolved = "not_resolved";
/// Its endpoint is routed into the tunnel that it is to make.
inline constexpr std::string_view own_tunnel = "own_tunnel";

inline constexpr std::array all{
  no_endpoint, no_handshake,      no_answer,      refused,      network_error,
  not_sent,    answer_not_opened, answers_unused, clock_behind, wrong_key_used,
  key_shared,  source_refused,    same_address,   not_resolved, own_tunnel,
};

} // namespace cause

/// In a word.
std::string_view cause_of(const peer_trouble& what);

/// The sentence for a refused source that is an address of this host as well.
std::string same_address_text(const ip_address& source);

} // namespace weft
