// A TUN device: IP packets in and out of the host's network stack.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "protocol/offload.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace weft {

/// The reason why `name` cannot name an interface (1 to 15 characters, no
/// white space, '/' or ':', not "." or ".."), or nothing.
std::optional<std::string> check_interface_name(std::string_view name);

class tun_device {
public:
  /// The largest packet with its offload header that a read can yield.
  static constexpr std::size_t max_read = 65535 + sizeof(offload_header);

  struct options {
    bool offload = true; ///< ask for checksum, TSO and USO offload
  };

  /// Makes the device.  `name` may hold %d for a number that the kernel
  /// chooses.  A device that a killed weft left behind and nobody serves
  /// (persistent, no carrier) is taken over; any other link of that name is
  /// refused and left alone.  Non-blocking.
  static result<tun_device> create(const std::string& name,
                                   const options& wanted);
  static result<tun_device> create(const std::string& name) {
    return create(name, options{});
  }

  int descriptor() const {
    return fd_.get();
  }
  /// The name that the kernel gave.
  const std::string& name() const {
    return name_;
  }
  int interface_index() const {
    return index_;
  }
  bool has_tcp_offload() const {
    return tcp_offload_;
  }
  bool has_udp_offload() const {
    return udp_offload_;
  }

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

  /// Writes one packet given as fragments.
  io_status write(const offload_header& header,
                  std::span<const const_byte_span> fragments) const;

private:
  tun_device() = default;
  file_descriptor fd_;
  std::string name_;
  int index_ = 0;
  bool has_header_ = false; ///< IFF_VNET_HDR
  bool tcp_offload_ = false;
  bool udp_offload_ = false;
};

} // namespace weft
