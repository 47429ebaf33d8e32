// A network for tests: what its root, issuer and members are.
#pragma once

#include "protocol/network/certificate.hpp"
#include "tests/protocol/support.hpp"

namespace weft::test {

inline ip_prefix prefix_of(std::string_view text) {
  return parse_ip_prefix(text).value();
}

inline std::vector<ip_prefix>
prefixes_of(const std::vector<std::string>& texts) {
  std::vector<ip_prefix> prefixes;
  for (const auto& text : texts)
    prefixes.push_back(prefix_of(text));
  return prefixes;
}

/// Noon of a day in 2026.
inline constexpr network_time noon{std::chrono::seconds(1'790'000'000)};

inline root_contents some_root() {
  deterministic_random random(1);
  return {network_id::draw(random), "prod",
          prefixes_of({"10.200.0.0/16", "fd00:200::/48"})};
}

inline issuer_contents some_issuer() {
  return {some_root().network, "first", some_root().ranges};
}

/// The key whose owner is the member of that number.
inline private_key some_private_key(std::uint64_t number) {
  deterministic_random random(1000 + number);
  return generate_private_key(random);
}

/// The member with the slice of that number.
inline member_contents some_member(std::uint64_t number) {
  deterministic_random random(2000 + number);
  member_contents member;
  member.network = some_root().network;
  member.name = "member-" + std::to_string(number);
  member.id = member_id::draw(random);
  member.key = derive_public_key(some_private_key(number));
  ip_prefix slice = prefix_of("10.200.0.0/28");
  store_be(slice.address.bytes.data() + 2,
           static_cast<std::uint16_t>(16 * number));
  member.prefixes = {slice};
  member.allocation = number;
  return member;
}

} // namespace weft::test
