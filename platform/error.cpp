#include "platform/error.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

namespace weft {

namespace {

constexpr auto net_admin_remedy
  = "It needs CAP_NET_ADMIN: run as root, give the program the capability "
    "(setcap cap_net_admin+ep PROGRAM), or start the container with "
    "--cap-add NET_ADMIN --device /dev/net/tun";

} // namespace

system_error make_system_error(int code, std::string what, std::string remedy) {
  auto message = std::move(what);
  if (code != 0)
    message += ": " + std::system_category().message(code);
  if (remedy.empty() && code == EPERM)
    remedy = net_admin_remedy;
  if (!remedy.empty())
    message += ". " + remedy;
  return {code, std::move(message)};
}

} // namespace weft
