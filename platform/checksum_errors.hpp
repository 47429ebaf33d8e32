// UDP datagrams that came to this host with a wrong checksum.
#pragma once

#include <cstdint>
#include <string_view>

namespace weft {

/// Of this network namespace since it exists, both families: /proc/net/snmp and
/// snmp6.  What cannot be read counts as 0.
std::uint64_t count_checksum_errors();

/// The number of InCsumErrors in what /proc/net/snmp says of Udp.
std::uint64_t checksum_errors_v4(std::string_view snmp);
/// Udp6InCsumErrors in what /proc/net/snmp6 says.
std::uint64_t checksum_errors_v6(std::string_view snmp6);

} // namespace weft
