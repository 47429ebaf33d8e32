// Links of this network namespace, looked up (rtnetlink).
#pragma once

#include "platform/error.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

struct link_info {
  int index = 0;
  std::string name;
  std::uint32_t mtu = 0;
  bool up = false;
};

/// No such link: the error's code is ENODEV.
result<link_info> find_link(const std::string& name);
result<link_info> find_link(int index);

/// The names of all.
result<std::vector<std::string>> link_names();

/// Which network namespace links are looked up in: a number that no other one
/// has meanwhile.  0: not known.
std::uint64_t own_network_namespace();

} // namespace weft
