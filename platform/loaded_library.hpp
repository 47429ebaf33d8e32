// A shared library that is loaded when somebody needs it: a process without
// such a need has nothing of it in its memory, nor of what it needs itself.
#pragma once

#include "platform/error.hpp"

namespace weft {

/// Stays loaded until the process ends.
class loaded_library {
public:
  /// `name` is its SONAME.  An error says so and has the code ELIBACC.
  static result<loaded_library> load(const char* name);

  /// Whether it has this function.
  template <class Function>
  bool find(Function*& function, const char* name) const {
    function = reinterpret_cast<Function*>(address_of(name));
    return function != nullptr;
  }

private:
  explicit loaded_library(void* handle) : handle_(handle) {
  }
  void* address_of(const char* name) const;

  void* handle_;
};

} // namespace weft
