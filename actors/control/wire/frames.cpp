#include "actors/control/wire/frames.hpp"

#include <algorithm>
#include <array>

namespace weft::basp {

namespace {

const std::byte* at(std::string_view bytes, std::size_t offset) {
  return std::as_bytes(std::span(bytes)).data() + offset;
}

using state = message_head::state;

/// What caf::error and weft's make_error() put in.
constexpr std::array<std::string_view, 3> harmless_contexts{
  "@<>", "@<>+@str", "@<>+@i32+@str+@str"};

/// After so many zeros: a zero of 16 bits in the place of a type's number, and
/// the name with its length in front.  That is of variable length, and one
/// byte has to do.
message_head parse_types(std::string_view payload, std::size_t zeros) {
  constexpr std::size_t longest_name = 0x7f;
  zeros += sizeof(std::uint16_t);
  const auto known = payload.substr(0, zeros);
  if (known.find_first_not_of('\0') != std::string_view::npos)
    return {};
  if (payload.size() <= zeros)
    return {state::incomplete, {}, 0};
  const auto length = static_cast<std::uint8_t>(payload[zeros]);
  const auto begin = zeros + 1;
  if (length > longest_name)
    return {};
  if (payload.size() < begin + length)
    return {state::incomplete, {}, 0};
  return {state::complete, payload.substr(begin, length), begin + length};
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
  // The number of stages, of variable length, stands in front.
  return parse_types(payload, 1);
}

state parse_error(std::string_view payload) {
  constexpr std::size_t code_and_category = 1 + sizeof(std::uint64_t);
  if (payload.size() < code_and_category)
    return state::incomplete;
  const auto context = parse_types(payload.substr(code_and_category), 0);
  if (context.is == state::complete
      && std::find(harmless_contexts.begin(), harmless_contexts.end(),
                   context.types)
           == harmless_contexts.end())
    return state::malformed;
  return context.is;
}

} // namespace weft::basp
