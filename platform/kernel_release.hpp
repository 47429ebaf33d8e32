// Which kernel this is, as far as that tells what it can be trusted with.
#pragma once

#include <string>
#include <string_view>

namespace weft {

/// As uname(2) has it: `6.1.0-18-amd64`.  Of a container it is the host's.
std::string kernel_release();

/// Whether `release` is one of those, 7.0.0 to 7.1.4, that behind some drivers
/// mangle what was sent as one message of several datagrams (UDP_SEGMENT): the
/// checksums that they get are wrong.  Distributions may have mended it
/// without another number.
bool may_mangle_gso(std::string_view release);

} // namespace weft
