// Frames of BASP, byte by byte, as a client may send them.
#pragma once

#include "actors/control/wire/frames.hpp"

#include <caf/atom.hpp>

#include <string>

namespace weft::test {

inline std::string big_endian(std::uint64_t number) {
  std::array<std::byte, 8> bytes{};
  store_be(bytes.data(), number);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A node id: of CAF's usual kind, told apart by `last`.
inline std::string node_id(char last) {
  const auto kind = static_cast<std::uint64_t>(caf::atom("default"));
  return big_endian(kind) + std::string(23, 'n') + last;
}

/// Both ends of a connection, and the one actor that a client may ask.
inline const auto server_node = node_id('s');
inline const auto client_node = node_id('c');
inline constexpr std::uint64_t facade_id = 9;

inline std::string frame(basp::header head, std::string_view payload) {
  head.length = static_cast<std::uint32_t>(payload.size());
  return basp::to_bytes(head) + std::string{payload};
}

/// The ids of requests and of their answers, of normal priority.
inline constexpr std::uint64_t request_bit = std::uint64_t{1} << 60;
inline constexpr std::uint64_t response_bit = std::uint64_t{1} << 63;

/// A message within another one: the types, the content.
inline std::string
elements(std::string_view types, std::string_view rest = {}) {
  std::string bytes(2, '\0');
  bytes += static_cast<char>(types.size());
  bytes += types;
  bytes += rest;
  return bytes;
}

/// A message's payload: no stages, the types, the content.
inline std::string content(std::string_view types, std::string_view rest = {}) {
  return '\0' + elements(types, rest);
}

/// An error: code, category, and the message that is its context.
inline std::string
error_with(std::string_view types = "@<>", std::string_view rest = {}) {
  return '\1' + std::string(8, 'c') + elements(types, rest);
}

inline std::string
client_handshake(std::string_view node, std::uint8_t flags = 0) {
  return frame({basp::operation::client_handshake, flags}, node);
}

struct message_frame {
  std::uint64_t source = 5;
  std::uint64_t destination = facade_id;
  std::uint64_t id = request_bit | 1;
  std::uint8_t flags = 0;
  basp::operation what = basp::operation::direct_message;

  std::string with(std::string_view payload) const {
    return frame({what, flags, 0, id, source, destination}, payload);
  }
};

/// A request for the status.
inline std::string
status_request(std::uint64_t number, std::uint64_t facade = facade_id) {
  message_frame made;
  made.destination = facade;
  made.id = request_bit | number;
  return made.with(content("@<>+weft::get_status", std::string(8, '\0')));
}

} // namespace weft::test
