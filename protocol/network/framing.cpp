#include "protocol/network/framing.hpp"

#include <string>

namespace weft {

byte_vector with_length(const_byte_span body) {
  byte_vector frame(frame_length_bytes);
  store_be(frame.data(), static_cast<std::uint32_t>(body.size()));
  frame.insert(frame.end(), body.begin(), body.end());
  return frame;
}

std::size_t read_frame_length(const_byte_span head) {
  return load_be<std::uint32_t>(head.data());
}

void frame_reader::append(const_byte_span bytes) {
  if (read_ == held_.size())
    held_ = {}; // an idle member costs no more than it must
  else
    held_.erase(held_.begin(),
                held_.begin() + static_cast<std::ptrdiff_t>(read_));
  read_ = 0;
  held_.insert(held_.end(), bytes.begin(), bytes.end());
}

accepted<std::optional<byte_vector>> frame_reader::next() {
  const auto rest = const_byte_span(held_).subspan(read_);
  if (rest.size() < frame_length_bytes)
    return std::nullopt;
  const auto size = read_frame_length(rest);
  if (size > most_)
    return refuse(refusal::malformed, "message: " + std::to_string(size)
                                        + " bytes, of which there may be "
                                        + std::to_string(most_));
  if (rest.size() - frame_length_bytes < size)
    return std::nullopt;
  const auto frame = rest.subspan(frame_length_bytes, size);
  byte_vector result(frame.begin(), frame.end());
  read_ += frame_length_bytes + size;
  return result;
}

} // namespace weft
