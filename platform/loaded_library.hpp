// A shared library that is loaded when somebody needs it: a process without
// such a need has nothing of it in its memory, nor of what it needs itself.
#pragma once

#include "platform/error.hpp"

#include <string>
#include <utility>

namespace weft {

/// Stays loaded until the process ends.
class loaded_library {
public:
  /// `name` is its SONAME, `package` Debian's.  An error names both and has the
  /// code ELIBACC.
  static result<loaded_library> load(const char* name, const char* package);

  /// Null: it has no such function, which check() tells.
  template <class Function>
  loaded_library& find(Function*& function, const char* name) {
    function = reinterpret_cast<Function*>(address_of(name));
    return *this;
  }
  /// Whether all functions were found.
  result<void> check() const;

private:
  loaded_library(void* handle, std::string name)
    : handle_(handle), name_(std::move(name)) {
  }
  void* address_of(const char* name);

  void* handle_;
  std::string name_;
  std::string missing_; ///< the first function that was not found
};

} // namespace weft
