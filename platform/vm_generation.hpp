// Whether this machine is a virtual one that was just restored from a snapshot,
// or cloned: then another machine may go on from the same state.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"

#include <string_view>

namespace weft {

/// Whether an event of the kernel's devices (`change@/devices/...`, then
/// `KEY=VALUE` for each property, all ended by a zero byte) says that the
/// generation of this virtual machine is a new one.
bool is_new_vm_generation(std::string_view event);

/// Non-blocking; readable when something happened to any device.  The kernel
/// tells of new generations since Linux 6.10, if the hypervisor does.
class vm_generation_watch {
public:
  static result<vm_generation_watch> open();
  /// Goes on with one of another process, with what it has not read.
  static vm_generation_watch adopt(file_descriptor opened);
  int descriptor() const {
    return fd_.get();
  }
  /// Whether the generation has changed since the last call.
  bool read() const;

private:
  vm_generation_watch() = default;
  file_descriptor fd_;
};

} // namespace weft
