// A lane: a loop that carries packets, with all that a packet meets there.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "actors/loop/workspace.hpp"
#include "messages/host_writer.hpp"
#include "messages/timer.hpp"
#include "messages/tun_reader.hpp"
#include "messages/udp_port.hpp"

#include <vector>

namespace weft {

/// An overlay has one.  With more, each would have readers of its own and a
/// socket of its own on the common port; what concerns all packets (the routes,
/// the MTU, the port, the mark) is told to every lane.  A peer lives on one
/// lane and knows no other.
struct lane {
  io_loop_ptr loop;
  workspace_ptr space; ///< what its peers share
  timer_actor timer;
  /// Of all queues of the device; some live elsewhere (device_relief).
  std::vector<tun_reader_actor> readers;
  host_writer_actor writer;
  udp_port_actor socket;
};

} // namespace weft
