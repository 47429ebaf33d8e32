// The overlay as its own actors see it.  Everybody else steers it by what
// messages/control.hpp has.
#pragma once

#include "config/device_update.hpp"
#include "config/file_config.hpp"
#include "messages/control.hpp"
#include "messages/registry.hpp"

#include <tl/expected.hpp>

namespace weft {

/// tun_reader or the link monitor -> overlay: the TUN device is gone.
struct interface_lost {
  std::string reason;
};

/// gateway -> overlay: whether one can come in over the network.
struct remote_control_changed {
  std::string why_closed; ///< empty: it is open
};

/// gateway -> overlay: who steers the node now, and how that is secured.
struct access_changed {
  access_report report;
};

/// A thread -> overlay: the configuration file, or all that is wrong with it.
struct config_read {
  tl::expected<file_config, std::string> file;
};

/// membership -> overlay: how the node stands in its network.
struct network_changed {
  network_status status;
};

/// membership -> overlay: whose peers the network must leave alone.
struct get_foreign_peers {};

/// A peer that a file or a command has made.
struct foreign_peers {
  struct one {
    public_key key;
    std::vector<ip_prefix> prefixes;
    bool operator==(const one&) const = default;
  };
  std::vector<one> peers;
  /// Peers of the network that have lost prefixes to these, or became one of
  /// them, since the network told of them last.  That may be over by now: they
  /// are to be told of again.
  std::vector<public_key> deprived;
};

/// Whoever ends this process, and hands the overlay over before -> overlay: do
/// beforehand what packets would wait for otherwise.  Nobody is served by the
/// UAPI any more, and what outlives the process is written.  EBUSY: not now,
/// and nothing has changed.
struct prepare_to_leave {};

/// Whoever hands the overlay over -> overlay: stand still.  Answered with all
/// that a successor needs; nothing is sent or received then, and no change is
/// made, until thaw{} or leave{}.  EBUSY: not now, and nothing has changed.
struct hand_over {};

struct overlay_left {
  std::shared_ptr<saved_node> state;
  left_descriptors descriptors;
};

/// The successor has it all: wipe the keys, answer, end; the host stays as is.
struct leave {
  bool process_ends = false; ///< at once, so that peers need not end before
};

/// overlay's starter -> overlay: go on with an earlier one's peers.
struct inherit_node {
  std::shared_ptr<const saved_node> from;
};

/// This machine goes on from a snapshot that others may go on from, too: what
/// was agreed on with peers must not be used again.
struct machine_cloned {};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::interface_lost)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::remote_control_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::access_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::config_read)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::prepare_to_leave)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::hand_over)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::overlay_left)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::leave)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::inherit_node)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::machine_cloned)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::network_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::get_foreign_peers)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::foreign_peers)

namespace weft {

/// The root: owns the configuration, supervises, answers control.
using overlay_root_actor = overlay_actor::extend<
  // from the UAPI server: a change, and status with secrets
  caf::replies_to<device_update>::with<void>,
  caf::replies_to<report_request>::with<device_status>,
  // what happens to the host and to remote control
  caf::reacts_to<interface_lost>, caf::reacts_to<remote_control_changed>,
  caf::reacts_to<access_changed>, caf::reacts_to<machine_cloned>,
  // from membership
  caf::reacts_to<network_changed>, caf::reacts_to<overlay_event>,
  caf::replies_to<get_foreign_peers>::with<foreign_peers>,
  // another process takes its place, or does not; it takes another's
  caf::replies_to<prepare_to_leave>::with<void>,
  caf::replies_to<hand_over>::with<overlay_left>, caf::reacts_to<thaw>,
  caf::replies_to<leave>::with<void>, caf::replies_to<inherit_node>::with<void>,
  // the file that a reload reads
  caf::reacts_to<config_read>>;

/// The local server of the cross-platform WireGuard control protocol.
using uapi_actor = caf::typed_actor<caf::reacts_to<shut_down>>;

} // namespace weft
