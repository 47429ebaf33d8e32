// What the fuzz targets share.
#pragma once

#include "protocol/base/random.hpp"
#include "protocol/network/framing.hpp"

#include <cstdlib>

namespace weft::test {

/// What must hold for every input.
inline void require(bool holds) {
  if (!holds)
    std::abort();
}

/// The same numbers in each run.
class counter final : public random_source {
public:
  explicit counter(unsigned first = 0) : state_(first) {
  }
  void fill(byte_span out) override {
    for (auto& byte : out)
      byte = static_cast<std::byte>(++state_);
  }

private:
  unsigned state_;
};

/// What is read from a frame is the same when it is written and read again; or
/// it is said why it cannot be read.
template <class Read>
void try_frame_again(const_byte_span frame, Read read) {
  const auto first = read(frame);
  if (!first) {
    require(!first.error().what.empty());
    return;
  }
  const auto written = encode_frame(*first);
  const auto second
    = read(const_byte_span(written).subspan(frame_length_bytes));
  require(second && second->index() == first->index());
  require(encode_frame(*second) == written);
}

} // namespace weft::test
