// The UDP port of a device: IPv4 and IPv6, whole batches in and out.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "protocol/base/ip.hpp"
#include "protocol/packets/datagram_buffer.hpp"
#include "protocol/packets/receive_memory.hpp"
#include "protocol/packets/udp_features.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace weft {

/// One receive call's worth of datagrams from one remote endpoint: `bytes`
/// holds datagrams of `segment_size` bytes side by side, the last one may be
/// shorter (UDP GRO).  Without GRO it is one datagram.
struct received_datagrams {
  byte_span bytes;
  std::size_t segment_size = 0;
  endpoint remote;
  std::optional<source_address> local;
  /// Of all of them; kernels before 6.9 (6.1.91, 6.6.31) join datagrams with
  /// different marks, and have that of the first one.
  congestion_mark mark = congestion_mark::not_capable;
};

/// One datagram and where it goes.
struct addressed_datagram {
  const_byte_span bytes;
  endpoint remote;
  std::optional<source_address> local;
};

/// What the network said of a datagram that was sent before.  Anybody can forge
/// the ICMP message that says so.
struct network_error {
  int code = 0;          ///< errno
  bool by_icmp = false;  ///< false: this host found it out itself
  endpoint remote;       ///< where the datagram was sent
  std::uint32_t mtu = 0; ///< of EMSGSIZE: what would pass; 0: not said
  /// How the datagram began, as far as it was quoted.
  std::array<std::byte, 8> quoted{};
  std::size_t quoted_size = 0;
};

/// One address family's socket.  Non-blocking.
class udp_socket {
public:
  static constexpr std::size_t receive_stride = weft::receive_stride;
  static constexpr std::size_t max_messages = most_received;

  struct options {
    ip_family family = ip_family::v4;
    ip_address address{};       ///< unspecified: all addresses of the family
    std::uint32_t scope_id = 0; ///< interface of a link-local IPv6 address
    std::uint16_t port = 0;     ///< 0: the kernel chooses
    std::uint32_t fwmark = 0;
    udp_features features{};
    int send_buffer = default_buffer;    ///< bytes, as the kernel counts them
    int receive_buffer = default_buffer; ///< the same
  };
  /// Enough for a burst of 10 Gb/s for 5 ms.
  static constexpr int default_buffer = 7 * 1024 * 1024;

  /// The port must be free: nobody shares it but by open_beside().
  static result<udp_socket> open(const options& wanted);

  /// Opens another socket with the same address, port, mark and options, with
  /// buffers of its own.  Call divide() after the first one, which says what
  /// each is to receive; until then the kernel deals messages out among them.
  /// (Another process of the same user may now join in,
  /// if it asks for SO_REUSEPORT; a plain bind is refused as before.)
  result<udp_socket> open_beside(int send_buffer, int receive_buffer) const;

  /// Takes over a socket that open() or open_beside() has made in another
  /// process, with all that waits in it, and has it be as `wanted` says, but
  /// for its address and port.  EINVAL: it is no UDP socket of that family, or
  /// has no port.
  static result<udp_socket>
  adopt(file_descriptor opened, const options& wanted);

  /// Divides what comes to the port: this socket gets transport messages, but
  /// if `known` is there those from its endpoints only; the first socket that
  /// was opened beside it gets all the rest, and later ones nothing.  A
  /// message that the kernel has joined of several goes where its first
  /// datagram belongs.  To be called again when `known` changes.
  result<void> divide(std::optional<std::span<const endpoint>> known) const;
  /// Room in `known`.
  static constexpr std::size_t max_known = 512;

  /// Bytes that the network has not taken yet, as the kernel counts them.
  std::size_t unsent() const;

  int descriptor() const {
    return fd_.get();
  }
  std::uint16_t port() const {
    return port_;
  }
  bool has_gso() const {
    return gso_;
  }
  bool has_gro() const {
    return gro_;
  }
  /// An outgoing link could not do GSO, and so it is used no more.
  bool gso_was_refused() const {
    return gso_refused_;
  }
  const udp_features& features() const {
    return opened_as_.features;
  }
  /// Changes what is used from now on, also of sockets opened beside later.
  void use(const udp_features& wanted);
  /// Messages that came to it and that nobody will receive: there was no room,
  /// or their checksum was wrong.  It counts up to 2^32 and then from 0.
  std::uint32_t lost() const;
  /// Changes SO_MARK; sessions and port stay.
  result<void> set_fwmark(std::uint32_t mark);

  enum class io_status { ok, would_block, failed };

  /// Receives up to `max_count` messages (at most max_messages, and as many as
  /// `memory` has room for) into `memory`, receive_stride bytes each, and
  /// appends them to `out`.  Truncated messages are left out and counted,
  /// empty ones are left out: `ok` may come with nothing new in `out`.  Errors
  /// that the network reports for earlier sends (ECONNREFUSED and the like) do
  /// not end reception: see may_have_errors().
  io_status receive(byte_span memory, std::size_t max_count,
                    std::vector<received_datagrams>& out);

  /// Whether a call met an error of an earlier datagram, or found nothing to
  /// receive though the socket was ready: then receive_errors() may yield some.
  bool may_have_errors() const {
    return may_have_errors_;
  }
  /// Appends what the network said of datagrams of this port: max_errors at
  /// most, the rest is there the next time.  Each comes to any one of the
  /// port's sockets, whichever sent the datagram.
  void receive_errors(std::vector<network_error>& out);
  static constexpr std::size_t max_errors = 64;

  struct send_result {
    io_status status = io_status::ok; ///< failed: see code; the rest was tried
    std::size_t sent = 0;   ///< the number of the first datagram that is left
                            ///< to send, which is the buffer's size unless the
                            ///< status is would_block: go on from here
    std::size_t failed = 0; ///< datagrams before `sent` that were given up
    std::size_t crowded_out = 0; ///< of these, for want of room in the queue of
                                 ///< the outgoing link
    int code = 0;                ///< errno of the last failure
    bool source_was_invalid = false; ///< forget `source`: it does not exist or
                                     ///< is of the other family
  };

  /// Sends the datagrams of `batch` from number `first` on to one endpoint:
  /// runs of equal size and mark as one GSO message, several messages a system
  /// call.  A
  /// partial send is continued; when the socket's buffer is full it says from
  /// where to go on once writable.  When `source` no longer exists on this
  /// host (EINVAL, ENETUNREACH ...) the datagrams go without it.  When GSO
  /// fails they go one by one: for good if the outgoing interface lacks
  /// checksums in hardware (EIO), else for this call (EINVAL, EMSGSIZE: the
  /// route's MTU is too small).  The routing tables alone choose the outgoing
  /// interface; `source.interface_index` counts for link-local addresses only.
  /// An error that may be an earlier datagram's, to somebody else, counts only
  /// when it comes again at once.
  send_result
  send(const datagram_buffer& batch, std::size_t first, const endpoint& remote,
       const std::optional<source_address>& source);

  /// Sends one datagram (handshake messages).
  send_result send(const_byte_span datagram, const endpoint& remote,
                   const std::optional<source_address>& source);

  /// Sends datagrams to one endpoint each (cookie replies), many with one
  /// call.  Returns how many went out: what fails is skipped, and when the
  /// buffer is full the rest is given up.
  std::size_t send(std::span<const addressed_datagram> datagrams);

  /// Messages larger than receive_stride, which were dropped.
  std::uint64_t truncated() const {
    return truncated_;
  }

private:
  udp_socket() = default;
  static result<udp_socket> open(const options& wanted, bool shared);
  result<void> set_options(const options& wanted);
  /// Whether it has one.
  bool learn_port();
  send_result transmit(const_byte_span memory, std::span<const slice> slices,
                       std::size_t first, const endpoint& remote,
                       const std::optional<source_address>& source);
  file_descriptor fd_;
  ip_family family_ = ip_family::v4;
  options opened_as_; ///< with the port in use
  std::uint16_t port_ = 0;
  bool gso_ = false;
  bool gso_refused_ = false;
  bool gro_ = false;
  std::uint64_t truncated_ = 0;
  bool may_have_errors_ = false;
  struct message_arena; ///< headers, control messages and vectors, reused
  struct arena_deleter {
    void operator()(message_arena*) const;
  };
  std::unique_ptr<message_arena, arena_deleter> arena_;
};

/// The sockets of a device.  One of the two is missing when the host lacks
/// that family or the listen address belongs to the other one.
struct udp_sockets {
  std::optional<udp_socket> v4;
  std::optional<udp_socket> v6;

  std::uint16_t port() const {
    return v4 ? v4->port() : v6 ? v6->port() : std::uint16_t{0};
  }
};

/// Opens both families on one port.  `listen` with an unspecified IPv6
/// address means all addresses of both families, an unspecified IPv4 address
/// those of IPv4.  With port 0, tries several random ports until one is free
/// for both families.
result<udp_sockets>
open_udp_sockets(const endpoint& listen, std::uint32_t fwmark,
                 const udp_features& features = {});

/// A descriptor for each socket of a port; invalid: there is none.
struct left_udp_sockets {
  file_descriptor v4;
  file_descriptor v6;
  file_descriptor strangers_v4;
  file_descriptor strangers_v6;
};

struct adopted_udp_sockets {
  udp_sockets peers;
  udp_sockets strangers; ///< none, if none were left
};

/// Takes over what open_udp_sockets() and open_stranger_sockets() have opened
/// in another process.  What comes is divided as before.
result<adopted_udp_sockets>
adopt_udp_sockets(left_udp_sockets left, const endpoint& listen,
                  std::uint32_t fwmark, const udp_features& features = {});

/// Opens sockets beside `peers` and divides what comes: transport messages go
/// to `peers`, the rest to the sockets that are returned.  On failure `peers`
/// go on receiving everything.
result<udp_sockets> open_stranger_sockets(const udp_sockets& peers);

} // namespace weft
