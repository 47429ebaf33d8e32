#include "platform/resolve.hpp"

#include <netdb.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace weft {

namespace {

struct address_list_deleter {
  void operator()(addrinfo* list) const {
    ::freeaddrinfo(list);
  }
};

/// EAGAIN: a later try may succeed.
system_error look_up_error(int status, const std::string& host) {
  int code = 0;
  if (status == EAI_SYSTEM)
    code = errno;
  else if (status == EAI_AGAIN)
    code = EAGAIN;
  else if (status == EAI_MEMORY)
    code = ENOMEM;
  return {code, "Cannot find the address of the host '" + host
                  + "': " + ::gai_strerror(status)};
}

} // namespace

result<std::vector<endpoint>>
resolve_host(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM; // else each address comes three times
  addrinfo* list = nullptr;
  const int status = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (status != 0)
    return tl::unexpected(look_up_error(status, host));
  const std::unique_ptr<addrinfo, address_list_deleter> owner{list};
  std::vector<endpoint> found;
  for (const auto* entry = list; entry != nullptr; entry = entry->ai_next) {
    endpoint where;
    where.port = port;
    if (entry->ai_family == AF_INET) {
      sockaddr_in v4{};
      std::memcpy(&v4, entry->ai_addr, sizeof v4);
      byte_array<4> bytes{};
      std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
      where.address = ip_address::from_v4(bytes.data());
    } else if (entry->ai_family == AF_INET6) {
      sockaddr_in6 v6{};
      std::memcpy(&v6, entry->ai_addr, sizeof v6);
      byte_array<16> bytes{};
      std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
      where.address = ip_address::from_v6(bytes.data()).unmapped();
      where.scope_id = v6.sin6_scope_id;
    } else {
      continue;
    }
    found.push_back(where);
  }
  return found;
}

std::optional<std::uint16_t> find_service_port(const std::string& name) {
  servent memory{};
  servent* found = nullptr;
  std::array<char, 4096> texts{};
  if (::getservbyname_r(name.c_str(), "udp", &memory, texts.data(),
                        texts.size(), &found)
        != 0
      || found == nullptr)
    return std::nullopt;
  // In network order.
  const auto port = static_cast<unsigned>(found->s_port);
  return static_cast<std::uint16_t>((port & 0xffU) << 8U
                                    | (port >> 8U & 0xffU));
}

} // namespace weft
