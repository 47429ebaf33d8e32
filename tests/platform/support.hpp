// What the tests of platform/ share: network namespaces of their own, and
// packets that go in and out of them.
#pragma once

#include "platform/file_descriptor.hpp"
#include "platform/network.hpp"
#include "platform/tun_device.hpp"
#include "platform/udp_socket.hpp"
#include "tests/catch.hpp"

#include <sys/resource.h>
#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace weft::test {

/// Whether this process may make network namespaces and TUN devices.  Warns
/// why not.  Tests that need them begin with `if (!can_make_networks())
/// return;`
bool can_make_networks();

/// A fresh network namespace with `lo` up.  It becomes the calling thread's;
/// the one before comes back when it ends, so end them in reverse order.
class network_namespace {
public:
  network_namespace();
  network_namespace(const network_namespace&) = delete;
  network_namespace& operator=(const network_namespace&) = delete;
  ~network_namespace();

  /// A descriptor that refers to this namespace.
  int descriptor() const {
    return own_.get();
  }
  /// Runs `action` in this namespace.
  void visit(const std::function<void()>& action) const;

private:
  file_descriptor before_;
  file_descriptor own_;
};

/// Runs a shell command in the calling thread's namespace; it must succeed.
void run(const std::string& command);
/// Whether the command succeeds.
bool succeeds(const std::string& command);

/// Adds an address ("10.7.0.1/24") to a link of the calling thread's namespace
/// and waits until packets to it are delivered: the kernel sets IPv6 addresses
/// up some time after it was told of them.
void add_address(const std::string& what, const std::string& link);

/// Moves a link to another namespace.
void move_link(int interface_index, int namespace_descriptor);

void write_file(const std::string& path, const std::string& text);

/// A folder of its own under the system's temporary folder.
class temporary_folder {
public:
  temporary_folder();
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder();
  const std::string& path() const {
    return path_;
  }

private:
  std::string path_;
};

/// Waits until `fd` can be read (or written) or hangs up: 10 s at most, which
/// no test takes unless it fails.
bool await_readable(int fd);
bool await_writable(int fd);

/// Runs `action` in a child process, and returns its exit code.
int in_child(const std::function<int()>& action);
/// The exit code of a child, or 128 and the signal.
int wait_for(pid_t child);
/// Bytes of address space in use.
rlim_t address_space();

ip_address address(const std::string& text);
ip_prefix prefix(const std::string& text);

/// `length` bytes that differ with `seed`.
std::vector<std::byte> pattern(std::size_t length, unsigned seed);

/// Datagrams with memory of their own: number i has lengths[i] bytes, of
/// pattern i.
class datagrams {
public:
  explicit datagrams(const std::vector<std::size_t>& lengths);
  const datagram_buffer& buffer() const {
    return buffer_;
  }
  /// A copy of each.
  std::vector<std::vector<std::byte>> all() const;

private:
  std::vector<std::byte> memory_;
  datagram_buffer buffer_;
};

/// A socket on a port that the kernel chooses.
udp_socket open_udp(ip_family family, bool offload = true);

/// The socket's endpoint on the loopback link.
endpoint loopback(const udp_socket& to, ip_family family);

/// What a socket received.
struct reception {
  std::vector<std::vector<std::byte>> datagrams; ///< GRO taken apart
  std::vector<received_datagrams> messages;      ///< their bytes are gone
};

/// Receives until there are `count` datagrams, or none comes any more.
reception receive_all(udp_socket& socket, std::size_t count);

} // namespace weft::test
