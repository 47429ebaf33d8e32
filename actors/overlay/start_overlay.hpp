// The way in: from a configuration to a running overlay.
#pragma once

#include "actors/loop/loop_sources.hpp"
#include "actors/overlay/core_budget.hpp"
#include "config/file_config.hpp"
#include "config/node_memory.hpp"
#include "config/saved_node.hpp"
#include "messages/control.hpp"
#include "messages/packet_port.hpp"
#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/hand_over.hpp"

#include <spdlog/logger.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace weft {

/// The overlay makes a TUN device, named as configured.  Needs CAP_NET_ADMIN.
struct make_tun_device {};

/// The host has opened one and attached it to its interface (TUNSETIFF) with
/// IFF_TUN and IFF_NO_PI, with or without IFF_VNET_HDR.  From now on it belongs
/// to the overlay, which makes it non-blocking and close-on-exec.  Needs no
/// privileges if `configure_link` is false; the link's own name and MTU then
/// take the place of the configured ones.
struct adopt_tun_device {
  file_descriptor opened;
};

/// There is none: the host gives and takes packets by messages, see
/// messages/packet_port.hpp.  Needs no privileges.  The configured addresses
/// and networks tell the host's own network stack nothing, and the name is
/// just shown.
struct use_packet_port {
  packet_consumer consumer; ///< may be null, and be set later
};

/// What outlives the overlay, for the next one.  Nothing is kept without
/// `write`.
struct state_options {
  node_memory remembered;
  /// Called on a thread of its own; the failure is logged.
  std::function<result<void>(const std::string& text)> write;
  /// The overlay ends, and this is still to be written.
  std::function<void(std::string text)> leave;
};

/// What an overlay of another process, or an earlier one of this, has left.
struct inherited_overlay {
  /// Null: there are just the descriptors, and sessions begin anew.
  std::shared_ptr<const saved_node> state;
  /// `tun`, `udp4`, `udp6`, `strangers4`, `strangers6`, `machine`: what is
  /// missing is opened, what is of no use closed.
  std::vector<named_descriptor> descriptors;
  /// Returns once the process that left it has ended, or has let go of all that
  /// it had for itself; blocks for some seconds at most.  Null: it has.
  std::function<void()> await_end{};
};

class prepared_loops;

struct overlay_options {
  node_config config;
  /// Where packets come from and go to.
  std::variant<make_tun_device, adopt_tun_device, use_packet_port> device;
  /// Set addresses, MTU and routes, and the link up.  Not so for the drop-in,
  /// whose caller does that.
  bool configure_link = true;
  /// Serve wg(8) on a socket in the configured folder.  Nothing: only with
  /// make_tun_device.
  std::optional<bool> uapi;
  /// What reload_config reads: a configuration, or all that is wrong with it.
  /// Null: there is nothing to be read again.  Called on a thread of its own,
  /// which may still be busy with it when the overlay has ended.
  std::function<tl::expected<file_config, std::string>()> read_config;
  std::string file; ///< its name, for whoever saves; empty: there is none
  std::string file_digest; ///< of what `config` was read from
  state_options state;
  /// What `interface.cores: auto` stands for, 1 at least.  One core reads,
  /// routes and sends; each more has a thread that seals and opens for all
  /// peers beside it.
  std::size_t cores = 1;
  /// Nobody else wants these cores: the others are not used only while they are
  /// seen to be idle, but always.
  bool own_cores = false;
  /// Of all overlays of this process; null: each has what it wants.
  std::shared_ptr<core_budget> budget;
  /// With a state, what that says of interface, peers, log level and offloads
  /// holds in place of `config`; read the file again then, if it has changed.
  std::optional<inherited_overlay> inherited{};
  /// What prepare_to_import() has begun, for one start; it must be gone before
  /// the actor system ends.  Null: start_overlay() does it.
  std::shared_ptr<prepared_loops> prepared{};
  /// Asks whoever has set it for what takes more rights than the overlay has,
  /// and is missing: DNS servers, `src_valid_mark` of links.  Called on a loop;
  /// null: nobody is there.
  std::function<void()> ask_helper;
  bool keep_lock = false; ///< a lock is on that `config` does not want
  std::shared_ptr<spdlog::logger> log; ///< null: nothing is logged
  loop_sources sources;
};

/// Let go of the handles once it has ended: they keep descriptors of its loops
/// open.
struct running_overlay {
  overlay_actor actor;
  std::string interface; ///< the name that the kernel gave, if it did
  std::uint16_t port = 0;
  packet_port_actor packets; ///< null without use_packet_port
};

/// Why start_overlay() could not go on with what was left, as far as that can
/// be seen while another process still works with it, where nothing changes.
result<void>
check_inherited(const overlay_options& options, const inherited_overlay& left);

/// Does what need not wait for the overlay of another process, so that packets
/// wait less: starts threads, and sets memory aside for as many peers as
/// `options` configures.  Before import_overlay(), on the thread that calls
/// that and start_overlay(), with the same `options`.
result<void>
prepare_to_import(caf::actor_system& system, overlay_options& options);

/// Makes the TUN device if there is to be one, opens the sockets, starts I/O
/// loops on `system` and the actors on them, and configures link and peers.
/// When it returns, the overlay works.  On failure the overlay has ended; its
/// loops close what is left at once.
///
/// The actor ends with caf::exit_reason::user_shutdown when it was asked to,
/// with another reason when the device or an actor was lost.
result<running_overlay>
start_overlay(caf::actor_system& system, overlay_options options);

} // namespace weft
