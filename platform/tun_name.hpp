// What a TUN device is called.
#pragma once

#include <string>

namespace weft {

/// The present name of the link of a descriptor; empty: it is no TUN device
/// that has one.
std::string tun_name(int opened);

} // namespace weft
