// Frames on a stream: each a length of four bytes in network order, and that
// many bytes.
#pragma once

#include "protocol/network/ids.hpp"
#include "protocol/network/refusal.hpp"

#include <optional>

namespace weft {

/// Of the length in front of a frame.
inline constexpr std::size_t frame_length_bytes = 4;

byte_vector with_length(const_byte_span body);
/// Reads the bytes in front of a frame, of which there are frame_length_bytes
/// or more.
std::size_t read_frame_length(const_byte_span head);

/// Parts a stream into frames.  Holds no more than one frame of the bound.
class frame_reader {
public:
  explicit frame_reader(std::size_t most) : most_(most) {
  }

  void append(const_byte_span bytes);
  /// The next whole frame, without its length; nothing: it has not come whole;
  /// an error: it is longer than the bound, and the stream is of no more use.
  accepted<std::optional<byte_vector>> next();

private:
  std::size_t most_;
  byte_vector held_;
  std::size_t read_ = 0;
};

} // namespace weft
