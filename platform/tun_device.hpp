// A TUN device: IP packets in and out of the host's network stack.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/read_ring.hpp"
#include "protocol/packets/offload.hpp"

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// The reason why `name` cannot name an interface (1 to 15 characters, no
/// white space, '/' or ':', not "." or ".."), or nothing.
std::optional<std::string> check_device_name(std::string_view name);

class tun_device {
public:
  /// The largest packet with its offload header that a read can yield.
  static constexpr std::size_t max_read = 65535 + sizeof(offload_header);

  /// The most fragments that one write takes.
  static constexpr std::size_t max_fragments = 1023;

  struct options {
    bool offload = true; ///< as set_offloads()
  };

  /// Makes the device.  `name` may hold %d for a number that the kernel
  /// chooses.  A device that a killed weft left behind and nobody serves
  /// (persistent, no carrier) is taken over; any other link of that name is
  /// refused and left alone.  Non-blocking.  The new link is down, gives
  /// itself no link-local address and is not multicast-capable, as the
  /// kernel's own WireGuard links: nothing is sent unasked.
  static result<tun_device>
  create(const std::string& name, const options& wanted);
  static result<tun_device> create(const std::string& name) {
    return create(name, options{});
  }

  /// Whether create() would refuse the name, as a link has it that no program
  /// has left behind.
  static bool is_taken(const std::string& name);

  /// As create(), with several queues, the device itself first; fewer where it
  /// can have no more.  The kernel spreads flows over them by a hash, and each
  /// stays with its queue: all of them write by a descriptor that is no queue,
  /// for a flow would be moved to the queue that its answers are written by,
  /// past packets that wait in the former one.
  static result<std::vector<tun_device>>
  create_queues(const std::string& name, const options& wanted,
                std::size_t count);

  /// Takes over a TUN device that the host has opened and attached to its
  /// interface (TUNSETIFF) with IFF_TUN and IFF_NO_PI, with or without
  /// IFF_VNET_HDR.  Needs no privileges.  The descriptor becomes non-blocking
  /// and close-on-exec; it is closed at the end, or on failure.  The link is
  /// left as it is, and stays if it is persistent.
  ///
  /// Whoever lacks CAP_NET_ADMIN cannot see which network namespace the device
  /// is in, and takes it for the calling thread's.
  static result<tun_device>
  adopt(file_descriptor opened, const options& wanted);
  static result<tun_device> adopt(file_descriptor opened) {
    return adopt(std::move(opened), options{});
  }

  /// As adopt(), for what create_queues() has made: the queues, the device
  /// itself first, and what all of them write by (invalid: there is one queue).
  static result<std::vector<tun_device>>
  adopt_queues(std::vector<file_descriptor> opened, file_descriptor writing,
               const options& wanted);

  /// What all queues write by; null: it is the descriptor that is read.
  const file_descriptor* writing_descriptor() const {
    return writing_.get();
  }
  int descriptor() const {
    return fd_.get();
  }
  /// The name that the kernel gave.
  const std::string& name() const {
    return name_;
  }
  /// The index in the network namespace that the device was made or adopted
  /// in.  0: it was adopted, and is in another one.
  int interface_index() const {
    return index_;
  }
  bool has_tcp_offload() const {
    return tcp_offload_;
  }
  bool has_udp_offload() const {
    return udp_offload_;
  }
  /// Asks for checksum, TSO and USO offload, as much of it as the kernel has,
  /// or for none, from the next packet on.  An adopted device without
  /// IFF_VNET_HDR has none.  To be called on one thread; others may read and
  /// write meanwhile.  Each packet goes with an offload header also while there
  /// is none: whether it does cannot be changed of a queue that is in use.
  void set_offloads(bool wanted);

  enum class io_status {
    ok,
    would_block, ///< nothing to read; or no room, the packet is dropped
    rejected,    ///< the kernel refused this packet (EINVAL and the like)
    not_up,      ///< the link is down (EIO): the packet is dropped
    lost,        ///< the device is gone for good (EBADFD, ENODEV)
  };
  struct read_result {
    io_status status = io_status::would_block;
    offload_header header{};
    byte_span packet{}; ///< within the buffer that was passed
  };

  /// Reads one packet (a super-packet with offloads) into `buffer`, which
  /// holds at least max_read bytes.
  read_result read(byte_span buffer) const;

  /// Packets that one read_some() yields at the most.
  static constexpr std::size_t group_size = read_ring::max_reads;

  /// Room for packets.  Used on one thread.
  class read_buffers {
  public:
    read_buffers() : memory_(max_read) {
    }

    /// Whether packets that are no super-packets are read in groups from now
    /// on, when they come one after another.  Where there can be no read_ring
    /// they are read one by one.
    void read_in_groups(bool wanted);
    bool reads_in_groups() const {
      return ring_ && !ring_->failure();
    }
    /// Why they are not, although that was wanted.
    const std::optional<system_error>& obstacle() const {
      return ring_ ? ring_->failure() : obstacle_;
    }

  private:
    friend class tun_device;
    /// Says how many are read next, by those that were.
    void choose_group(std::span<const read_result> got);

    std::vector<std::byte> memory_;
    std::array<read_result, group_size> results_;
    std::optional<read_ring> ring_;
    std::optional<system_error> obstacle_; ///< why there is none
    std::size_t next_group_ = 1;
    std::size_t small_in_row_ = 0; ///< that were read one by one
  };

  /// Reads one packet or, when many come, several (`most`, 1 at least), each
  /// as read() does.
  /// The results, one at least, are valid until the next call; whatever is not
  /// `ok` or `rejected` is the last one, and says why there are no more.
  std::span<const read_result>
  read_some(read_buffers& into, std::size_t most = group_size) const;

  /// Writes one packet given as fragments.
  io_status write(const offload_header& header,
                  std::span<const const_byte_span> fragments) const;

  /// Whether the link still exists, here or in a network namespace that it was
  /// moved to.  The descriptor serves it from wherever it is.
  bool still_exists() const;

  /// Whether adopt() would take such a descriptor, and this thread may set its
  /// link, or why not.  Nothing changes for whoever reads it meanwhile.
  static result<void> check_adoptable(int opened);

  /// The link's present MTU.  Where it was moved to another network namespace,
  /// this needs CAP_SYS_ADMIN.
  result<std::uint32_t> mtu() const;

private:
  tun_device() = default;
  friend class link_monitor;
  /// The link's name at present: it may have been renamed.
  result<std::string> current_name() const;
  /// The network namespace that the link is in.
  result<file_descriptor> current_namespace() const;
  /// Reads the state of an adopted descriptor, or says why it cannot be used.
  result<void> check_descriptor();
  /// The same for its link, if it can be seen.
  result<void> check_link();
  result<void> set_header_size() const;
  /// What a read has yielded that ended with this errno (0: none).
  read_result result_of(int error, byte_span bytes) const;
  std::size_t read_group(read_buffers& into, std::size_t size) const;
  static result<tun_device>
  make(const std::string& name, const options& wanted, bool several);
  /// Another descriptor of the same device, which is its next queue.
  result<file_descriptor> open_queue() const;

  file_descriptor fd_;
  std::shared_ptr<const file_descriptor> writing_;
  std::string name_;
  int index_ = 0;
  bool has_header_ = false; ///< IFF_VNET_HDR
  bool several_ = false;    ///< IFF_MULTI_QUEUE
  bool tcp_offload_ = false;
  bool udp_offload_ = false;
};

} // namespace weft
