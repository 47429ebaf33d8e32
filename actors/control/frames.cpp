#include "actors/control/frames.hpp"

#include <array>

namespace weft::basp {

namespace {

const std::byte* at(std::string_view bytes, std::size_t offset) {
  return std::as_bytes(std::span(bytes)).data() + offset;
}

} // namespace

std::uint64_t load_u64(std::string_view from, std::size_t offset) {
  return load_be<std::uint64_t>(at(from, offset));
}

header parse_header(std::string_view bytes) {
  header parsed;
  parsed.what = static_cast<operation>(bytes[0]);
  parsed.flags = static_cast<std::uint8_t>(bytes[3]);
  parsed.length = load_be<std::uint32_t>(at(bytes, 4));
  parsed.data = load_u64(bytes, 8);
  parsed.source = load_u64(bytes, 16);
  parsed.destination = load_u64(bytes, 24);
  return parsed;
}

std::string to_bytes(const header& from) {
  std::array<std::byte, header_size> bytes{};
  bytes[0] = static_cast<std::byte>(from.what);
  bytes[3] = static_cast<std::byte>(from.flags);
  store_be(&bytes[4], from.length);
  store_be(&bytes[8], from.data);
  store_be(&bytes[16], from.source);
  store_be(&bytes[24], from.destination);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

message_head parse_message_head(std::string_view payload) {
  using state = message_head::state;
  // The number of stages, a zero of 16 bits in the place of a type's number,
  // and the length of the name.  Both numbers are of variable length, and one
  // byte has to do.
  constexpr std::size_t fixed = 4;
  constexpr std::size_t longest_name = 0x7f;
  const auto known = payload.substr(0, fixed);
  for (std::size_t i = 0; i < known.size() && i < 3; ++i) {
    if (known[i] != 0)
      return {};
  }
  if (known.size() < fixed)
    return {state::incomplete, {}, 0};
  const auto length = static_cast<std::uint8_t>(payload[3]);
  if (length > longest_name)
    return {};
  if (payload.size() < fixed + length)
    return {state::incomplete, {}, 0};
  return {state::complete, payload.substr(fixed, length), fixed + length};
}

} // namespace weft::basp
