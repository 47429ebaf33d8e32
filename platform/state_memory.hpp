// Memory that carries a state to the next process, and gives it out once.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/secret_text.hpp"

#include <optional>
#include <string_view>

namespace weft {

/// An anonymous file (memfd_create(2)), sealed against growing and shrinking.
/// It is never on a disk, but what the host swaps may hold it.
class state_memory {
public:
  /// Fails with EMSGSIZE beyond max_handed_state.
  static result<state_memory> make(std::string_view state);
  /// One that another process made; EINVAL, with the reason, for what is no
  /// such memory.
  static result<state_memory> open(file_descriptor made);

  /// The state, for the first who asks, in whichever process: marked as taken
  /// before it is read, and overwritten with zeros before it is returned.  So a
  /// state that crashes its reader does not crash the next one, and no counter
  /// in it is used twice.  Nothing: somebody has taken it.
  std::optional<secret_text> take();

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
