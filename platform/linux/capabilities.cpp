#include "platform/linux/capabilities.hpp"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace weft {

capability_sets read_capabilities() {
  __user_cap_header_struct header{};
  header.version = _LINUX_CAPABILITY_VERSION_3;
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> halves{};
  if (::syscall(SYS_capget, &header, halves.data()) != 0)
    return {};
  return {halves[0].effective | std::uint64_t{halves[1].effective} << 32,
          halves[0].permitted | std::uint64_t{halves[1].permitted} << 32};
}

bool write_capabilities(capability_sets sets) {
  __user_cap_header_struct header{};
  header.version = _LINUX_CAPABILITY_VERSION_3;
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> halves{};
  for (unsigned i = 0; i < halves.size(); ++i) {
    halves[i].effective = static_cast<std::uint32_t>(sets.effective >> 32 * i);
    halves[i].permitted = static_cast<std::uint32_t>(sets.permitted >> 32 * i);
  }
  return ::syscall(SYS_capset, &header, halves.data()) == 0;
}

} // namespace weft
