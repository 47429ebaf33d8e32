#include "platform/direct_resolve.hpp"

#include "platform/linux/socket_address.hpp"
#include "platform/network.hpp"

#include <ares.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <tuple>
#include <utility>

namespace weft {

namespace {

/// Each server is asked twice.
constexpr int tries = 2;
constexpr std::chrono::milliseconds patience{2000};

/// c-ares keeps a count of its users, under a lock of its own from 1.23 on.
int begin_library() {
  static const int status = ::ares_library_init(ARES_LIB_INIT_ALL);
  return status;
}

/// One question, which c-ares asks with sockets that are polled here.
class question {
public:
  question(const question&) = delete;
  question& operator=(const question&) = delete;
  ~question() {
    if (channel_ != nullptr)
      ::ares_destroy(channel_);
  }

  static result<std::vector<endpoint>>
  ask(const std::string& host, std::uint16_t port, const direct_lookup& how) {
    question asked{host, port, how};
    if (const int status = asked.open(); status != ARES_SUCCESS)
      return asked.failure(status);
    return asked.answer();
  }

private:
  question(const std::string& host, std::uint16_t port,
           const direct_lookup& how)
    : host_(host), port_(port), how_(how) {
  }

  int open();
  result<std::vector<endpoint>> answer();
  void take(int status, const ares_addrinfo* list);
  void note_socket(int fd, bool reads, bool writes);
  tl::unexpected<system_error> failure(int status) const;

  const std::string& host_;
  std::uint16_t port_;
  const direct_lookup& how_;
  ares_channel channel_ = nullptr;
  std::vector<pollfd> sockets_;
  bool answered_ = false;
  int status_ = ARES_SUCCESS;
  std::vector<endpoint> found_;
};

int question::open() {
  if (const int status = begin_library(); status != ARES_SUCCESS)
    return status;
  ares_options options{};
  std::string lookups = "fb"; // /etc/hosts, then the servers
  options.timeout = static_cast<int>(patience.count());
  options.tries = tries;
  options.lookups = lookups.data();
  options.sock_state_cb_data = this;
  options.sock_state_cb
    = [](void* self, ares_socket_t fd, int reads, int writes) {
        static_cast<question*>(self)->note_socket(fd, reads != 0, writes != 0);
      };
  const int status
    = ::ares_init_options(&channel_, &options,
                          ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS
                            | ARES_OPT_SOCK_STATE_CB);
  if (status != ARES_SUCCESS)
    return status;
  ::ares_set_socket_configure_callback(
    channel_,
    [](ares_socket_t fd, int, void* self) {
      const auto mark = static_cast<question*>(self)->how_.mark;
      if (mark == 0)
        return 0;
      return ::setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
    },
    this);
  std::string servers;
  for (const auto& server : how_.servers)
    servers += (servers.empty() ? "" : ",") + server;
  return ::ares_set_servers_csv(channel_, servers.c_str());
}

result<std::vector<endpoint>> question::answer() {
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_flags = ARES_AI_NOSORT; // whose questions would have no mark
  ::ares_getaddrinfo(
    channel_, host_.c_str(), nullptr, &hints,
    [](void* self, int status, int, ares_addrinfo* list) {
      const std::unique_ptr<ares_addrinfo, decltype(&::ares_freeaddrinfo)>
        owner{list, ::ares_freeaddrinfo};
      static_cast<question*>(self)->take(status, list);
    },
    this);
  while (!answered_) {
    timeval left{};
    const auto* wait = ::ares_timeout(channel_, nullptr, &left);
    if (wait == nullptr && sockets_.empty())
      break;
    const auto milliseconds
      = wait == nullptr ? patience.count()
                        : wait->tv_sec * 1000 + (wait->tv_usec + 999) / 1000;
    auto polled = sockets_; // answers change the list
    std::ignore
      = ::poll(polled.data(), polled.size(), static_cast<int>(milliseconds));
    for (const auto& socket : polled) {
      const bool reads = (socket.revents & ~POLLOUT) != 0;
      const bool writes = (socket.revents & POLLOUT) != 0;
      if (reads || writes)
        ::ares_process_fd(channel_, reads ? socket.fd : ARES_SOCKET_BAD,
                          writes ? socket.fd : ARES_SOCKET_BAD);
    }
    ::ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD); // time
  }
  if (status_ != ARES_SUCCESS)
    return failure(status_);
  return std::move(found_);
}

void question::note_socket(int fd, bool reads, bool writes) {
  std::erase_if(sockets_, [&](const pollfd& each) { return each.fd == fd; });
  if (reads || writes)
    sockets_.push_back(
      {fd, static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)),
       0});
}

void question::take(int status, const ares_addrinfo* list) {
  answered_ = true;
  status_ = status;
  const auto* node = list != nullptr ? list->nodes : nullptr;
  for (; node != nullptr; node = node->ai_next) {
    socket_address address;
    std::memcpy(
      address.data(), node->ai_addr,
      std::min<std::size_t>(static_cast<std::size_t>(node->ai_addrlen),
                            socket_address::capacity()));
    auto where = address.to_endpoint();
    where.port = port_;
    found_.push_back(where);
  }
  const auto rank = [&](const endpoint& where) {
    return std::pair{!find_route(where.address, {}, how_.mark).has_value(),
                     where.address.is_v4()};
  };
  std::ranges::stable_sort(found_, {}, rank);
}

tl::unexpected<system_error> question::failure(int status) const {
  int code = 0;
  if (status == ARES_ENOTFOUND || status == ARES_ENODATA)
    code = ENOENT;
  else if (status == ARES_ETIMEOUT || status == ARES_ECONNREFUSED)
    code = EAGAIN;
  return tl::unexpected(
    system_error{code, "Cannot find the address of the host '" + host_
                         + "': " + ::ares_strerror(status)});
}

} // namespace

result<std::vector<endpoint>>
resolve_host_directly(const std::string& host, std::uint16_t port,
                      const direct_lookup& how) {
  return question::ask(host, port, how);
}

} // namespace weft
