// Memory that carries a state to the next process, and gives it out once.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"

#include <functional>
#include <optional>
#include <string_view>

namespace weft {

/// What was given out: it lies in the file itself, which is overwritten with
/// zeros when this ends.
class taken_state {
public:
  /// Empty.
  taken_state() = default;
  taken_state(taken_state&& other) noexcept;
  taken_state& operator=(taken_state&& other) noexcept;
  ~taken_state();

  std::string_view view() const {
    return state_;
  }

private:
  friend class state_memory;
  taken_state(file_descriptor file, std::string_view state)
    : file_(std::move(file)), state_(state) {
  }
  void wipe() noexcept;

  file_descriptor file_;
  std::string_view state_; ///< of a mapping, behind the head of the file
};

/// An anonymous file (memfd_create(2)), sealed against growing and shrinking.
/// It is never on a disk, but what the host swaps may hold it.
class state_memory {
public:
  /// Fails with EMSGSIZE beyond max_handed_state.
  static result<state_memory> make(std::string_view state);
  /// Of parts, which `write` gives to what it is given, one after the other.
  using take_part = std::function<void(std::string_view)>;
  static result<state_memory>
  make(const std::function<void(const take_part&)>& write);
  /// One that another process made; EINVAL, with the reason, for what is no
  /// such memory.
  static result<state_memory> open(file_descriptor made);

  /// The state, for the first who asks, in whichever process: it is marked as
  /// taken before it is read.  So a state that crashes its reader does not
  /// crash the next one, and no counter in it is used twice.  Nothing: somebody
  /// has taken it.
  std::optional<taken_state> take();

  int descriptor() const {
    return file_.get();
  }
  file_descriptor release() && {
    return std::move(file_);
  }

private:
  state_memory(file_descriptor file, std::size_t size)
    : file_(std::move(file)), size_(size) {
  }

  file_descriptor file_;
  std::size_t size_; ///< of the state, bytes
};

} // namespace weft
