#include "tests/platform/support.hpp"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace weft::test {

bool can_make_networks() {
  if (::geteuid() != 0) {
    WARN("skipped: it makes network namespaces, which needs root");
    return false;
  }
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) {
    WARN("skipped: there is no /dev/net/tun");
    return false;
  }
  return true;
}

namespace {

file_descriptor present_namespace() {
  return file_descriptor{
    ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
}

bool await(int fd, short events) {
  pollfd entry{fd, events, 0};
  return ::poll(&entry, 1, 10000) == 1;
}

} // namespace

network_namespace::network_namespace() : before_(present_namespace()) {
  REQUIRE(before_);
  REQUIRE(::unshare(CLONE_NEWNET) == 0);
  own_ = present_namespace();
  REQUIRE(own_);
  auto network = network_configurator::open();
  REQUIRE(network);
  REQUIRE(network->set_up(1, true));
}

network_namespace::~network_namespace() {
  if (::setns(before_.get(), CLONE_NEWNET) != 0)
    std::abort();
}

void network_namespace::visit(const std::function<void()>& action) const {
  const auto here = present_namespace();
  REQUIRE(::setns(own_.get(), CLONE_NEWNET) == 0);
  action();
  REQUIRE(::setns(here.get(), CLONE_NEWNET) == 0);
}

bool succeeds(const std::string& command) {
  return std::system(command.c_str()) == 0;
}

void run(const std::string& command) {
  INFO(command);
  REQUIRE(succeeds(command));
}

void add_address(const std::string& what, const std::string& link) {
  const bool v6 = what.find(':') != std::string::npos;
  run("ip addr add " + what + " dev " + link + (v6 ? " nodad" : ""));
  run("for i in $(seq 1000); do ip route get " + what.substr(0, what.find('/'))
      + " | grep -q ^local && exit 0; sleep 0.01; done; exit 1");
}

void move_link(int interface_index, int namespace_descriptor) {
  std::array<std::byte, 256> memory{};
  auto* header = mnl_nlmsg_put_header(memory.data());
  header->nlmsg_type = RTM_NEWLINK;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  auto* info = static_cast<ifinfomsg*>(
    mnl_nlmsg_put_extra_header(header, sizeof(ifinfomsg)));
  info->ifi_index = interface_index;
  mnl_attr_put_u32(header, IFLA_NET_NS_FD,
                   static_cast<std::uint32_t>(namespace_descriptor));
  const file_descriptor fd{
    ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  REQUIRE(::send(fd.get(), header, header->nlmsg_len, 0) > 0);
  struct {
    nlmsghdr header;
    nlmsgerr error;
    std::array<std::byte, 256> rest;
  } answer{};
  REQUIRE(::recv(fd.get(), &answer, sizeof answer, 0) > 0);
  REQUIRE(answer.header.nlmsg_type == NLMSG_ERROR);
  REQUIRE(answer.error.error == 0);
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file{path};
  file << text;
  file.close();
  INFO(path);
  REQUIRE(file);
}

temporary_folder::temporary_folder()
  : path_((std::filesystem::temp_directory_path() / "weft-test-XXXXXX")) {
  REQUIRE(::mkdtemp(path_.data()) != nullptr);
}

temporary_folder::~temporary_folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

bool await_readable(int fd) {
  return await(fd, POLLIN);
}

bool await_writable(int fd) {
  return await(fd, POLLOUT);
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR)
      return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

rlim_t address_space() {
  std::ifstream file("/proc/self/statm");
  rlim_t pages = 0;
  file >> pages;
  return pages * static_cast<rlim_t>(::getpagesize());
}

int in_child(const std::function<int()>& action) {
  const auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0)
    ::_exit(action());
  return wait_for(child);
}

ip_address address(const std::string& text) {
  auto parsed = parse_ip_address(text);
  INFO(text);
  REQUIRE(parsed);
  return *parsed;
}

ip_prefix prefix(const std::string& text) {
  auto parsed = parse_ip_prefix(text);
  INFO(text);
  REQUIRE(parsed);
  return *parsed;
}

std::vector<std::byte> pattern(std::size_t length, unsigned seed) {
  std::vector<std::byte> bytes(length);
  for (std::size_t i = 0; i < length; ++i)
    bytes[i] = static_cast<std::byte>((i * 7 + i / 256 + seed * 31) & 0xff);
  return bytes;
}

datagrams::datagrams(const std::vector<std::size_t>& lengths) {
  std::size_t total = 0;
  for (const auto length : lengths)
    total += length;
  memory_.resize(total);
  buffer_ = datagram_buffer{memory_};
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const auto place = buffer_.add_message(lengths[i]);
    REQUIRE(place.size() == lengths[i]);
    const auto bytes = pattern(lengths[i], static_cast<unsigned>(i));
    std::memcpy(place.data(), bytes.data(), bytes.size());
  }
}

std::vector<std::vector<std::byte>> datagrams::all() const {
  std::vector<std::vector<std::byte>> copies;
  for (std::size_t i = 0; i < buffer_.size(); ++i)
    copies.emplace_back(buffer_[i].begin(), buffer_[i].end());
  return copies;
}

udp_socket open_udp(ip_family family, bool offload) {
  udp_socket::options wanted;
  wanted.family = family;
  wanted.features.gso = wanted.features.gro = offload;
  auto opened = udp_socket::open(wanted);
  if (!opened)
    FAIL(opened.error().message);
  return std::move(*opened);
}

endpoint loopback(const udp_socket& to, ip_family family) {
  return {address(family == ip_family::v4 ? "127.0.0.1" : "::1"), to.port()};
}

reception receive_all(udp_socket& socket, std::size_t count) {
  std::vector<std::byte> memory(udp_socket::receive_stride
                                * udp_socket::max_messages);
  reception got;
  while (got.datagrams.size() < count && await_readable(socket.descriptor())) {
    std::vector<received_datagrams> messages;
    const auto status
      = socket.receive(memory, udp_socket::max_messages, messages);
    if (status == udp_socket::io_status::failed)
      break;
    for (auto& message : messages) {
      for (std::size_t at = 0; at < message.bytes.size();
           at += message.segment_size) {
        const auto size
          = std::min(message.segment_size, message.bytes.size() - at);
        const auto part = message.bytes.subspan(at, size);
        got.datagrams.emplace_back(part.begin(), part.end());
      }
      got.messages.push_back(message);
    }
  }
  return got;
}

} // namespace weft::test
