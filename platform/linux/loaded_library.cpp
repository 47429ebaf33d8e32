#include "platform/loaded_library.hpp"

#include <dlfcn.h>

#include <cerrno>
#include <string>

namespace weft {

result<loaded_library> loaded_library::load(const char* name) {
  auto* handle = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = ::dlerror(); // NOLINT(concurrency-mt-unsafe): glibc's is
    return tl::unexpected(system_error{
      ELIBACC, std::string{"Cannot load a library: "} + (why ? why : name)
                 + ". Install the package that has it"});
  }
  return loaded_library{handle};
}

void* loaded_library::address_of(const char* name) const {
  return ::dlsym(handle_, name);
}

} // namespace weft
