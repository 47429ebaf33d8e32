// Root, for a while, as somebody whose files it makes.
#pragma once

#include "platform/error.hpp"

#include <sys/types.h>

#include <memory>
#include <string>

namespace weft {

/// While it lives the whole process acts as the owner of a folder, with that
/// one's groups and none of root's rights: what it makes is the owner's, and no
/// link in a folder that the owner can change leads further than the owner
/// gets.  Nothing changes where the process acts as the owner already, and for
/// any other user than root that is all it can do (EPERM).  No other thread may
/// work meanwhile.
class acting_user {
public:
  static result<acting_user> owner_of(const std::string& folder);

  acting_user(acting_user&&) noexcept;
  acting_user& operator=(acting_user&&) = delete;
  /// Ends the process if it cannot be itself again.
  ~acting_user();

private:
  struct identity; ///< before it

  acting_user();

  std::unique_ptr<identity> before_; ///< null: nothing has changed
};

} // namespace weft
