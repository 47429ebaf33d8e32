#include "platform/loaded_library.hpp"

#include <dlfcn.h>

#include <cerrno>

namespace weft {

result<loaded_library>
loaded_library::load(const char* name, const char* package) {
  if (auto* handle = ::dlopen(name, RTLD_NOW | RTLD_LOCAL); handle != nullptr)
    return loaded_library{handle, name};
  const char* why = ::dlerror(); // NOLINT(concurrency-mt-unsafe): glibc's is
  return tl::unexpected(system_error{
    ELIBACC, std::string{"Cannot load a library: "} + (why ? why : name)
               + ". If it is missing, install " + package});
}

result<void> loaded_library::check() const {
  if (missing_.empty())
    return {};
  return tl::unexpected(
    system_error{ELIBACC, name_ + " has no " + missing_
                            + ": a newer version of it is needed"});
}

void* loaded_library::address_of(const char* name) {
  auto* address = ::dlsym(handle_, name);
  if (address == nullptr && missing_.empty())
    missing_ = name;
  return address;
}

} // namespace weft
