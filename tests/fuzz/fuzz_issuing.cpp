// What an issuer is asked over its sockets, and answers, and what members ask
// for themselves: whatever is in its place crashes no reader, and what is read
// means the same when it is written and read again.
//
// The input: a letter for the kind, then a frame without its length.
#include "protocol/network/issuing.hpp"
#include "tests/fuzz/support.hpp"

#include <span>

namespace {

using namespace weft;
using namespace weft::test;

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
      try_frame_again(bytes, read_issuing_answer);
      break;
    case 'q':
      try_frame_again(bytes, read_issuing_question);
      break;
    default:
      try_own_request(bytes);
  }
  return 0;
}
