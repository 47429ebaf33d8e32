// What the parts of a directory share.
#pragma once

#include "protocol/network/directory.hpp"

#include <algorithm>
#include <string>

namespace weft::directory_parts {

/// Of store or issuer.
inline constexpr std::chrono::seconds pause_after_error{5};

inline network_time wall_of(const instant& at) {
  return std::chrono::floor<std::chrono::seconds>(at.wall);
}

/// As the store keeps it.
inline std::string to_value(const byte_vector& bytes) {
  std::string value(bytes.size(), '\0');
  std::transform(bytes.begin(), bytes.end(), value.begin(), [](auto byte) {
    return static_cast<char>(std::to_integer<unsigned char>(byte));
  });
  return value;
}

inline shared_frame frame_of(const directory_message& message) {
  return std::make_shared<const byte_vector>(encode_frame(message));
}

} // namespace weft::directory_parts
