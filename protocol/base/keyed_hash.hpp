// The hash of tables whose keys are chosen by others.
#pragma once

#include "protocol/base/bytes.hpp"

#include <cstdint>
#include <string_view>

namespace weft {

/// SipHash-2-4 with a key that is drawn once a process, so that nobody outside
/// can choose what collides.
std::uint64_t keyed_hash(const_byte_span bytes) noexcept;

/// The same for a table of texts.
struct keyed_text_hash {
  std::size_t operator()(std::string_view text) const noexcept {
    return keyed_hash(std::as_bytes(std::span(text)));
  }
};

} // namespace weft
