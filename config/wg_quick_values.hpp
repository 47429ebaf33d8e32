// What people write into files for wg-quick and wg, and both take: odd spaces,
// and ports by name.
#pragma once

#include "config/values.hpp"
#include "config/wg_quick.hpp"

#include <string>
#include <vector>

namespace weft {

/// The prefixes of a list.  Commas and spaces part them, where no slash is
/// beside the space; what is empty means nothing.
std::vector<std::string> split_wg_prefixes(std::string_view text);

/// An endpoint that may have spaces in it, an IPv6 address without brackets,
/// and the name of a service as its port.
value_or_message<endpoint_config>
read_wg_endpoint(std::string_view text, const service_port& find_port);

} // namespace weft
