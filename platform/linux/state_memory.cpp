#include "platform/state_memory.hpp"

#include "platform/hand_over.hpp"
#include "protocol/base/wipe.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <tuple>

namespace weft {

namespace {

/// What the file begins with.  Both processes run on one host, so numbers are
/// as its processor has them.
struct header {
  std::array<char, 8> magic{'w', 'e', 'f', 't', 's', 't', 'a', 't'};
  std::uint32_t taken = 0; ///< changed by compare-and-swap alone
  std::uint32_t reserved = 0;
  std::uint64_t size = 0; ///< of the state that follows, bytes
};

constexpr int needed_seals = F_SEAL_SHRINK | F_SEAL_GROW;

/// The file in this process's memory.
class mapping {
public:
  mapping(int file, std::size_t size) : size_(size) {
    void* const at
      = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (at != MAP_FAILED)
      begin_ = static_cast<char*>(at);
  }
  mapping(const mapping&) = delete;
  mapping& operator=(const mapping&) = delete;
  ~mapping() {
    if (begin_ != nullptr)
      ::munmap(begin_, size_);
  }

  explicit operator bool() const {
    return begin_ != nullptr;
  }
  header& head() {
    return *std::launder(reinterpret_cast<header*>(begin_));
  }
  std::span<char> state() {
    return {begin_ + sizeof(header), size_ - sizeof(header)};
  }

private:
  char* begin_ = nullptr;
  std::size_t size_;
};

system_error not_ours(const char* why) {
  return {EINVAL, std::string{"A descriptor is no state of weft: "} + why};
}

} // namespace

result<state_memory> state_memory::make(std::string_view state) {
  if (state.size() > max_handed_state)
    return tl::unexpected(
      make_system_error(EMSGSIZE, "Cannot hand the state over"));
  file_descriptor file{
    ::memfd_create("weft-state", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  const auto size = sizeof(header) + state.size();
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(size)) != 0)
    return tl::unexpected(
      make_system_error(errno, "Cannot make memory for the state"));
  mapping into{file.get(), size};
  if (!into)
    return tl::unexpected(
      make_system_error(errno, "Cannot make memory for the state"));
  header head;
  head.size = state.size();
  new (&into.head()) header{head};
  std::memcpy(into.state().data(), state.data(), state.size());
  if (::fcntl(file.get(), F_ADD_SEALS, needed_seals | F_SEAL_SEAL) != 0) {
    const int code = errno;
    wipe_text(into.state());
    return tl::unexpected(make_system_error(code, "Cannot seal the state"));
  }
  return state_memory{std::move(file), state.size()};
}

result<state_memory> state_memory::open(file_descriptor made) {
  struct stat info {};
  if (::fstat(made.get(), &info) != 0)
    return tl::unexpected(make_system_error(errno, "Cannot read the state"));
  // Who could shrink it could end this process while it reads.
  const int seals = ::fcntl(made.get(), F_GET_SEALS);
  if (seals < 0 || (seals & needed_seals) != needed_seals)
    return tl::unexpected(not_ours("it is not sealed"));
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size < sizeof(header) || size > sizeof(header) + max_handed_state)
    return tl::unexpected(not_ours("its size"));
  mapping file{made.get(), size};
  if (!file)
    return tl::unexpected(make_system_error(errno, "Cannot read the state"));
  if (file.head().magic != header{}.magic)
    return tl::unexpected(not_ours("how it begins"));
  if (file.head().size != size - sizeof(header))
    return tl::unexpected(not_ours("the size that it names"));
  return state_memory{std::move(made), size - sizeof(header)};
}

std::optional<secret_text> state_memory::take() {
  mapping file{file_.get(), sizeof(header) + size_};
  if (!file)
    return std::nullopt;
  std::uint32_t untouched = 0;
  if (!std::atomic_ref{file.head().taken}.compare_exchange_strong(untouched, 1))
    return std::nullopt;
  secret_text state{size_};
  std::memcpy(state.room().data(), file.state().data(), size_);
  wipe_text(file.state());
  // Nobody needs its pages any more, but perhaps for a long time the file.
  constexpr off_t page = 4096;
  std::ignore
    = ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page,
                  static_cast<off_t>(sizeof(header) + size_));
  return state;
}

} // namespace weft
