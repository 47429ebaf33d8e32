// Packets out of TUN devices: one by one, or in groups.
#include "platform/tun_device.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace weft {

namespace {

/// So many packets one after another are no super-packets: more of them wait.
constexpr std::size_t small_before_groups = 4;
/// A group that was full is followed by one of twice the size.
constexpr std::size_t first_group = 8;

} // namespace

tun_device::read_result
tun_device::result_of(int error, byte_span bytes) const {
  read_result got;
  switch (error) {
    case 0: {
      const std::size_t skip = has_header_ ? sizeof(offload_header) : 0;
      got.status = bytes.size() > skip ? io_status::ok : io_status::rejected;
      if (got.status == io_status::ok) {
        std::memcpy(&got.header, bytes.data(), skip);
        got.packet = bytes.subspan(skip);
      }
      break;
    }
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      got.status = io_status::would_block;
      break;
    case EIO:
      got.status = io_status::not_up;
      break;
    case EBADFD:
    case ENODEV:
      got.status = io_status::lost;
      break;
    default:
      // EFAULT is how a read ends that a deletion interrupts.
      got.status = still_exists() ? io_status::rejected : io_status::lost;
  }
  return got;
}

tun_device::read_result tun_device::read(byte_span buffer) const {
  ssize_t count = 0;
  do
    count = ::read(fd_.get(), buffer.data(), buffer.size());
  while (count < 0 && errno == EINTR);
  return count < 0
           ? result_of(errno, {})
           : result_of(0, buffer.first(static_cast<std::size_t>(count)));
}

// -- groups ------------------------------------------------------------------

void tun_device::read_buffers::read_in_groups(bool wanted) {
  ring_.reset();
  obstacle_.reset();
  next_group_ = 1;
  small_in_row_ = 0;
  if (!wanted)
    return;
  if (auto opened = read_ring::open(max_read))
    ring_ = std::move(*opened);
  else
    obstacle_ = std::move(opened.error());
}

void tun_device::read_buffers::choose_group(std::span<const read_result> got) {
  const auto is_small = [](const read_result& each) {
    return each.status == io_status::ok
           && each.header.gso_type == offload_header::gso_none;
  };
  if (!reads_in_groups() || !std::all_of(got.begin(), got.end(), is_small)) {
    next_group_ = 1;
    small_in_row_ = 0;
  } else if (next_group_ > 1) {
    next_group_ = std::min(2 * next_group_, group_size);
  } else if (++small_in_row_ == small_before_groups) {
    next_group_ = first_group;
  }
}

std::span<const tun_device::read_result>
tun_device::read_some(read_buffers& into, std::size_t most) const {
  const auto size = std::min(into.next_group_, most);
  auto count = size > 1 ? read_group(into, size) : 0;
  if (count == 0) { // also when the ring has failed
    into.results_[0] = read(into.memory_);
    count = 1;
  }
  const auto got = std::span{into.results_}.first(count);
  into.choose_group(got);
  return got;
}

std::size_t tun_device::read_group(read_buffers& into, std::size_t size) const {
  std::size_t count = 0;
  std::optional<read_result> end;
  for (const auto& [error, bytes] : into.ring_->read(fd_.get(), size)) {
    const auto got = result_of(error, bytes);
    // A packet may come between two reads that find none.
    if (got.status == io_status::ok || got.status == io_status::rejected)
      into.results_[count++] = got;
    else if (!end || got.status == io_status::lost)
      end = got;
  }
  if (end)
    into.results_[count++] = *end;
  return count;
}

} // namespace weft
