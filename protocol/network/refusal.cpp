#include "protocol/network/refusal.hpp"

#include <array>

namespace weft {

std::string_view to_string(refusal why) {
  static constexpr std::array<std::string_view, refusal_count> names{
    "malformed",      "unknown_critical",
    "wrong_role",     "wrong_network",
    "bad_signature",  "outside_ranges",
    "taken",          "own_key",
    "foreign_peer",   "stale",
    "revoked",        "list_missing",
    "not_yet_valid",  "expired",
    "unknown_member", "unknown_invitation",
    "withdrawn",      "used_up",
    "not_allowed",    "exhausted",
    "unproven_key",   "unavailable",
    "used_twice"};
  const auto index = static_cast<std::size_t>(why);
  return index < names.size() ? names[index] : "?";
}

std::optional<refusal> parse_refusal(std::string_view text) {
  for (std::size_t i = 0; i < refusal_count; ++i) {
    if (text == to_string(static_cast<refusal>(i)))
      return static_cast<refusal>(i);
  }
  return std::nullopt;
}

} // namespace weft
