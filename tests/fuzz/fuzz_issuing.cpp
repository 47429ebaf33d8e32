// What an issuer is asked over its sockets, and answers, and what members ask
// for themselves: whatever is in its place crashes no reader, and what is read
// means the same when it is written and read again.
//
// The input: a letter for the kind, then a frame without its length.
#include "protocol/network/issuing.hpp"

#include <cstdlib>
#include <span>

namespace {

using namespace weft;

void require(bool holds) {
  if (!holds)
    std::abort();
}

/// Written again it is the same from there on.
template <class Read>
void try_again(const_byte_span frame, Read read) {
  constexpr std::size_t length = 4;
  const auto first = read(frame);
  if (!first) {
    require(!first.error().what.empty());
    return;
  }
  const auto written = encode_frame(*first);
  const auto second = read(const_byte_span(written).subspan(length));
  require(second && second->index() == first->index());
  require(encode_frame(*second) == written);
}

void try_own_request(const_byte_span bytes) {
  const auto request = read_own_request(bytes);
  require(request || !request.error().what.empty());
  require(!is_own_request_signed_by(verifying_key{}, bytes));
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0)
    return 0;
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  switch (data[0]) {
    case 'a':
      try_again(bytes, read_issuing_answer);
      break;
    case 'q':
      try_again(bytes, read_issuing_question);
      break;
    default:
      try_own_request(bytes);
  }
  return 0;
}
