// Host names to endpoints.
#pragma once

#include "platform/error.hpp"
#include "protocol/base/ip.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// All addresses of `host` with `port`, in the system's order of preference.
/// Blocks (getaddrinfo): never call it on an I/O loop.
result<std::vector<endpoint>>
resolve_host(const std::string& host, std::uint16_t port);

/// The UDP port of a service's name (/etc/services).
std::optional<std::uint16_t> find_service_port(const std::string& name);

} // namespace weft
