// What root asks a directory over its socket, and what it answers: whatever is
// in the place of either crashes no reader, and what is read means the same
// when it is written and read again.
//
// The input: `q` for questions or `a` for answers, then the stream.
#include "protocol/network/steering.hpp"
#include "tests/fuzz/support.hpp"

#include <span>

namespace {

using namespace weft;
using namespace weft::test;

template <class Read>
void try_frames(const_byte_span stream, Read read) {
  frame_reader reader(most_steering_frame_bytes);
  reader.append(stream);
  for (auto frame = reader.next(); frame && *frame; frame = reader.next())
    try_frame_again(**frame, read);
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0)
    return 0;
  const auto stream = std::as_bytes(std::span(data + 1, size - 1));
  if (data[0] == 'q')
    try_frames(stream, read_steering_question);
  else if (data[0] == 'a')
    try_frames(stream, read_steering_answer);
  return 0;
}
