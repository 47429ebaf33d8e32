// The TUN reader: what it is told and asked.
#pragma once

#include "messages/shared.hpp"

namespace weft {

/// overlay -> tun_reader: the interface's MTU bounds the padding.
struct mtu_changed {
  std::uint32_t mtu = 0;
};

/// overlay -> tun_reader: whether small packets are read in groups from now on.
struct read_groups {
  bool wanted = true;
};

/// udp_port -> the readers of one queue, of which one has the turn to read:
/// whoever has it, or gets it, gives it to that reader.  Null: it keeps it.
struct give_turn {
  caf::strong_actor_ptr to;
};

/// tun_reader -> tun_reader: all that was read before is with the peers.
struct take_turn {};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::mtu_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::read_groups)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::give_turn)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::take_turn)

namespace weft {

/// Reads packets from the TUN device and routes them to peers.
using tun_reader_actor = caf::typed_actor<
  // which peer a packet is for
  caf::replies_to<routes_changed>::with<void>, caf::reacts_to<mtu_changed>,
  caf::reacts_to<read_groups>,
  // it goes on reading
  caf::reacts_to<batch_available>,
  // another process takes its place, or does not
  caf::replies_to<freeze>::with<void>, caf::reacts_to<thaw>,
  // for status
  caf::replies_to<report_request>::with<drop_report>>;

/// One of several that read the same queue of a device, in turns.
using queue_reader_actor = tun_reader_actor::extend<caf::reacts_to<give_turn>,
                                                    caf::reacts_to<take_turn>>;

} // namespace weft
