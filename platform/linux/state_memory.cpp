#include "platform/state_memory.hpp"

#include "platform/hand_over.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <new>
#include <tuple>
#include <utility>

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

constexpr std::size_t page = 4096;

/// Memory of the file; null: there is none.
void* map(int file, std::size_t size, int protection, int flags) {
  void* const at
    = ::mmap(nullptr, size, protection, MAP_SHARED | flags, file, 0);
  return at == MAP_FAILED ? nullptr : at;
}

/// Its head, in this process's memory.
class mapped_head {
public:
  explicit mapped_head(int file)
    : begin_(map(file, sizeof(header), PROT_READ | PROT_WRITE, 0)) {
  }
  mapped_head(const mapped_head&) = delete;
  mapped_head& operator=(const mapped_head&) = delete;
  ~mapped_head() {
    if (begin_ != nullptr)
      ::munmap(begin_, sizeof(header));
  }

  explicit operator bool() const {
    return begin_ != nullptr;
  }
  header& operator*() {
    return *std::launder(static_cast<header*>(begin_));
  }

private:
  void* begin_;
};

/// What is written costs no page of this process.
bool write_at(int file, std::string_view bytes, std::size_t at) {
  while (!bytes.empty()) {
    const auto size
      = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (size < 0 && errno == EINTR)
      continue;
    if (size <= 0)
      return false;
    bytes.remove_prefix(static_cast<std::size_t>(size));
    at += static_cast<std::size_t>(size);
  }
  return true;
}

system_error not_ours(const char* why) {
  return {EINVAL, std::string{"A descriptor is no state of weft: "} + why};
}

} // namespace

result<state_memory> state_memory::make(std::string_view state) {
  return make([state](const take_part& take) { take(state); });
}

result<state_memory>
state_memory::make(const std::function<void(const take_part&)>& write) {
  file_descriptor file{
    ::memfd_create("weft-state", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  header head;
  int failure = file ? 0 : errno;
  write([&](std::string_view part) {
    if (failure == 0 && head.size + part.size() > max_handed_state)
      failure = EMSGSIZE;
    if (failure == 0 && !write_at(file.get(), part, sizeof(header) + head.size))
      failure = errno;
    head.size += part.size();
  });
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const auto* letters = reinterpret_cast<const char*>(&head);
  if (failure == 0
      && (!write_at(file.get(), {letters, sizeof head}, 0)
          || ::fcntl(file.get(), F_ADD_SEALS, needed_seals | F_SEAL_SEAL) != 0))
    failure = errno;
  if (failure != 0)
    return tl::unexpected(
      make_system_error(failure, "Cannot hand the state over"));
  return state_memory{std::move(file), head.size};
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
  mapped_head head{made.get()};
  if (!head)
    return tl::unexpected(make_system_error(errno, "Cannot read the state"));
  if ((*head).magic != header{}.magic)
    return tl::unexpected(not_ours("how it begins"));
  if ((*head).size != size - sizeof(header))
    return tl::unexpected(not_ours("the size that it names"));
  return state_memory{std::move(made), size - sizeof(header)};
}

std::optional<taken_state> state_memory::take() {
  const auto whole = sizeof(header) + size_;
  auto handle = duplicate(file_.get());
  mapped_head head{file_.get()};
  if (!handle || !head)
    return std::nullopt;
  // All of it is to be read: one call costs less than each page by itself.
  auto* const begin
    = static_cast<char*>(map(file_.get(), whole, PROT_READ, MAP_POPULATE));
  if (begin == nullptr)
    return std::nullopt;
  std::uint32_t untouched = 0;
  if (!std::atomic_ref{(*head).taken}.compare_exchange_strong(untouched, 1)) {
    ::munmap(begin, whole);
    return std::nullopt;
  }
  return taken_state{std::move(*handle), {begin + sizeof(header), size_}};
}

taken_state::taken_state(taken_state&& other) noexcept
  : file_(std::move(other.file_)), state_(std::exchange(other.state_, {})) {
}

taken_state& taken_state::operator=(taken_state&& other) noexcept {
  if (this != &other) {
    wipe();
    file_ = std::move(other.file_);
    state_ = std::exchange(other.state_, {});
  }
  return *this;
}

taken_state::~taken_state() {
  wipe();
}

void taken_state::wipe() noexcept {
  const auto state = std::exchange(state_, {});
  if (state.data() == nullptr)
    return;
  constexpr std::array<char, 16 * page> zeros{};
  for (std::size_t at = 0; at < state.size(); at += zeros.size())
    write_at(file_.get(),
             {zeros.data(), std::min(zeros.size(), state.size() - at)},
             sizeof(header) + at);
  const auto size = sizeof(header) + state.size();
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast)
  ::munmap(const_cast<char*>(state.data()) - sizeof(header), size);
  // Nobody needs its pages any more, but perhaps for a long time the file.
  std::ignore
    = ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  off_t{page}, static_cast<off_t>(size));
}

} // namespace weft
