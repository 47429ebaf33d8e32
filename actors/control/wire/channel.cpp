#include "actors/control/wire/channel.hpp"

#include "platform/stream.hpp"

namespace weft {

namespace {

using status = channel_result::status;

channel_result from_stream(const stream_result& done, interest waits_for) {
  switch (done.what) {
    case stream_result::status::ok:
      return {status::done, done.bytes, interest::none};
    case stream_result::status::would_block:
      return {status::blocked, 0, waits_for};
    case stream_result::status::closed:
      break;
  }
  return {status::closed, 0, interest::none};
}

channel_result from_tls(const tls_result& done) {
  switch (done.status) {
    case tls_status::done:
      return {status::done, done.bytes, interest::none};
    case tls_status::wants_read:
      return {status::blocked, 0, interest::read};
    case tls_status::wants_write:
      return {status::blocked, 0, interest::write};
    case tls_status::closed:
      return {status::closed, 0, interest::none};
    case tls_status::failed:
      break;
  }
  return {status::failed, 0, interest::none};
}

} // namespace

int channel::descriptor() const {
  if (const auto* stream = std::get_if<tls_stream>(&stream_))
    return stream->descriptor();
  return std::get<file_descriptor>(stream_).get();
}

channel_result channel::handshake() {
  if (auto* stream = std::get_if<tls_stream>(&stream_))
    return from_tls(stream->handshake());
  return {status::done, 0, interest::none};
}

channel_result channel::read(std::span<char> into) {
  if (auto* stream = std::get_if<tls_stream>(&stream_))
    return from_tls(stream->read(std::as_writable_bytes(into)));
  return from_stream(read_some(descriptor(), into), interest::read);
}

channel_result channel::write(std::string_view bytes) {
  if (auto* stream = std::get_if<tls_stream>(&stream_))
    return from_tls(stream->write(std::as_bytes(std::span(bytes))));
  return from_stream(write_some(descriptor(), bytes), interest::write);
}

std::string channel::failure() const {
  if (const auto* stream = std::get_if<tls_stream>(&stream_))
    return stream->failure();
  return "it was closed by the other end";
}

bool channel::was_refused() const {
  const auto* stream = tls();
  return stream != nullptr && stream->was_refused();
}

void channel::end() {
  if (auto* stream = std::get_if<tls_stream>(&stream_))
    std::ignore = stream->shutdown();
}

} // namespace weft
