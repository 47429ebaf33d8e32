// What protocol/ and platform/ share of libsodium.  Not for others.
#pragma once

#include "protocol/base/bytes.hpp"

#include <sodium.h>

namespace weft::sodium {

/// Makes libsodium ready: the first call initialises it, later ones cost a
/// load.  Safe from any thread.  Throws std::runtime_error if it cannot be
/// initialised.
void ensure_ready();

/// libsodium takes unsigned characters.
inline unsigned char* raw(std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}
inline const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

} // namespace weft::sodium
