// A digest that tells one text from another.
#pragma once

#include "protocol/base/bytes.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace weft {

/// BLAKE2b with 32 bytes of output (RFC 7693), of a text that comes in parts.
class text_digest {
public:
  /// Throws std::runtime_error if libsodium cannot be initialised.
  text_digest();
  text_digest(const text_digest&) = delete;
  text_digest& operator=(const text_digest&) = delete;
  ~text_digest();

  void add(std::string_view part);
  /// Of all parts so far, in hexadecimal digits.
  std::string text() const;

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace weft
