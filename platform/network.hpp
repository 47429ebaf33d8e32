// Links, addresses and routes (rtnetlink), and what happens to them.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "protocol/ip.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

/// Changes links, addresses and routes.  What exists already is no error.
class network_configurator {
public:
  static result<network_configurator> open();

  result<void> set_mtu(int interface_index, std::uint32_t mtu);
  result<void> set_up(int interface_index, bool up);
  /// Adds an address with its prefix length (and so the connected route).
  result<void> add_address(int interface_index, const ip_prefix& address);
  result<void> remove_address(int interface_index, const ip_prefix& address);
  /// Adds a link-scope route for `network` into the interface.
  result<void> add_route(int interface_index, const ip_prefix& network);
  result<void> remove_route(int interface_index, const ip_prefix& network);
  result<std::uint32_t> mtu(int interface_index);

private:
  network_configurator() = default;
  result<void> execute(void* message, const std::string& what);
  file_descriptor fd_;
  std::uint32_t sequence_ = 0;
};

/// What happened to one link.
struct link_event {
  enum class kind { removed, mtu_changed, up, down };
  kind what = kind::removed;
  std::uint32_t mtu = 0;
};

/// Watches one link.  Non-blocking; readable when something happened.
class link_monitor {
public:
  static result<link_monitor> open(int interface_index);
  int descriptor() const {
    return fd_.get();
  }
  /// The events since the last call.  Lost messages (ENOBUFS) are made up for
  /// by reading the link's present state.
  std::vector<link_event> read();

private:
  link_monitor() = default;
  file_descriptor fd_;
  int index_ = 0;
  std::uint32_t mtu_ = 0;
  bool up_ = false;
  bool removed_ = false;
};

} // namespace weft
