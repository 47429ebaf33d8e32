// What an overlay can be told and asked, by whoever it may be: a service that
// embeds it, the command line, or a program on another machine.  All of it is
// serializable.  A failure is answered with an error that messages/errors.hpp
// takes apart: an errno, a sentence, and the field that it is about.
#pragma once

#include "messages/request_row.hpp"

#include <string>
#include <vector>

namespace weft {

/// Of this file's messages, and of how they travel.  Both ends must agree.
inline constexpr std::uint32_t control_version = 5;

/// Messages and answers are no longer than this when serialized.
inline constexpr std::size_t max_control_size = std::size_t{4} << 20;

// -- requests ----------------------------------------------------------------

/// Answered with a device_status of at most `max_peers` peers, from the place
/// where an earlier answer's `next_peer` ended (0: from the first one).  Of
/// peers with many allowed IPs there are fewer in an answer.
struct get_status {
  static constexpr std::uint32_t most = 2000;
  static constexpr std::uint32_t most_prefixes = 50'000;
  std::uint32_t first_peer = 0;
  std::uint32_t max_peers = most;
};

/// Applies a whole configuration: all of it, or on failure nothing.  Peers
/// that it does not name are removed; unchanged ones are not touched.  A
/// private key of zeros leaves the key as it is.
struct apply_config {
  node_config config;
  /// Change nothing, and answer with what would change.
  bool dry_run = false;
  /// If not 0: take it back after this time, unless confirm_config comes.
  std::chrono::seconds confirm_within{0};
  /// Also if from then on the host's whole traffic goes another way, or nowhere
  /// (default_route, kill_switch), which is refused otherwise unless it has to
  /// be confirmed.
  bool assured = false;
};

/// Reads the configuration file again, and applies it.
struct reload_config {
  /// Change nothing, and answer with what would change.
  bool dry_run = false;
  /// Only if the file is not as it was read or saved last.
  bool if_changed = false;
  /// As in apply_config.
  bool assured = false;
};

/// Adds a peer.  One that is known is updated to be as `peer` says.
struct add_peer {
  peer_config peer;
  /// As in apply_config, both.
  std::chrono::seconds confirm_within{0};
  bool assured = false;
};

/// Changes what `update` states; the rest stays.  An unknown peer is an error,
/// whatever the patch's verb.
struct update_peer {
  patch<peer_config> update;
  /// As in apply_config, both.
  std::chrono::seconds confirm_within{0};
  bool assured = false;
};

/// Removing an absent peer succeeds.
struct remove_peer {
  public_key peer;
};

/// At once, and the session goes on.  An unknown peer is an error.
struct set_endpoint {
  public_key peer;
  endpoint_config where;
};

/// Idempotent.  An unknown peer is an error; a prefix of another peer moves.
/// One that sends the host's whole traffic into the tunnel is refused:
/// update_peer can say that it is meant.
struct add_allowed_ip {
  public_key peer;
  ip_prefix prefix;
};

/// Idempotent.  An unknown peer is an error.
struct remove_allowed_ip {
  public_key peer;
  ip_prefix prefix;
};

/// Answered with whether the peer's last handshake was completed at or after
/// `since`, in seconds since the epoch.  An unknown peer is an error.
struct check_handshake {
  public_key peer;
  std::int64_t since = 0;
};

/// Answered with a new key_pair, which nothing else is done with.
struct generate_keys {};

struct set_log_level {
  log_level level = log_level::info;
};

/// Ends the overlay: its interface and its sockets are removed.
struct shut_down {};

/// Begins a handshake with a peer, also if there is a session; within 5 s of
/// the last one, once they are over.  An unknown peer is an error.  What came
/// of it, the peer's status says.
struct begin_handshake {
  public_key peer;
};

/// Answered with a node_configuration of some peers, from the place where an
/// earlier answer's `next_peer` ended (0: from the first one).
struct get_configuration {
  static constexpr std::uint32_t most = 2000;
  static constexpr std::uint32_t most_prefixes = 50'000;
  std::uint32_t first_peer = 0;
};

/// From whoever saves the file: the digest that it has now, and the one that it
/// is about to get (once it is saved, the same).  A watched file that has one
/// of them is not read again.
struct expect_file {
  std::string now;
  std::string next;
};

/// What waits for a confirmation (apply_config) stays.  Who asked for it cannot
/// confirm it over the same connection.
struct confirm_config {};

/// Ends what is known of a peer beyond its configuration, and begins with it
/// anew: endpoint, session, newest handshake.  An unknown peer is an error.
struct reset_peer {
  public_key peer;
};

/// What the kernel is to do for many packets at once, from now on.
struct set_offloads {
  offload_config offloads;
};

// -- answers -----------------------------------------------------------------

/// What a request has changed.
struct config_changes {
  std::uint32_t peers_added = 0;
  std::uint32_t peers_changed = 0;
  std::uint32_t peers_removed = 0;
  /// What else changed, and what could not without a restart: a sentence each.
  std::vector<std::string> notes;

  bool operator==(const config_changes&) const = default;
};

/// What a node is configured to be, by its file and by commands, without its
/// secrets.  What it has learnt is not in it: endpoints, ports, addresses of
/// names.
struct node_configuration {
  node_config config;
  std::vector<public_key> with_preshared_key; ///< of its peers
  std::string file; ///< that it was started from; empty: none
  /// Of that (config/file_digest.hpp): as it was read, and as somebody was
  /// about to save it (expect_file).
  std::vector<std::string> digests;
  std::uint64_t changes = 0;   ///< that were made so far
  std::uint32_t next_peer = 0; ///< where the next answer begins; 0: nowhere
};

struct key_pair {
  private_key secret;
  public_key shared;
};

// -- events ------------------------------------------------------------------

enum class event_kind : std::uint8_t {
  peer_up,             ///< a first session, or one after peer_down
  peer_down,           ///< no handshake for 180 s (paper, 6.1)
  endpoint_changed,    ///< the peer is heard from, or was given, another one
  handshake_completed, ///< a session begins
  handshake_failed,    ///< `reason` says how
  peer_added,
  peer_removed,
  peer_restarted,        ///< its actor failed and was started again
  config_applied,        ///< `reason` sums it up
  remote_control_closed, ///< nobody can come in over the network: `reason`
  remote_control_opened, ///< after it was closed
  interface_lost,        ///< the overlay ends
  events_lost,           ///< the subscriber was too slow: its subscription ends
  peer_state_changed,    ///< it fails now, or fails no more: `reason` begins
                         ///< with the word
  peer_troubled,         ///< `reason` says what stands in its way
  member_added,          ///< of the network: `reason` names it
  member_changed,
  member_removed,
  directory_connected,
  directory_lost,
  certificate_expires, ///< within 14 days, of whom `reason` says
  removals_outdated,   ///< the list of removed members is older than a day
};

std::string_view to_string(event_kind kind);

constexpr event_kind last_of(event_kind) {
  return event_kind::removals_outdated;
}

struct overlay_event {
  event_kind kind{};
  wall_time when{};
  std::string interface;
  weft::public_key peer; ///< zero: it is about no peer
  std::string peer_name;
  std::optional<weft::endpoint> endpoint;
  std::string reason;
};

/// Some events, in order.  `first` counts those before.
struct event_batch {
  std::uint64_t first = 0;
  std::vector<overlay_event> events;
};

/// Whoever wants events.  The next batch comes once this one is answered; who
/// does not answer for 10 s, or falls 4096 events behind, is unsubscribed.
using event_subscriber
  = caf::typed_actor<caf::replies_to<event_batch>::with<void>>;

/// Events from now on; a second time changes nothing.
struct subscribe {
  event_subscriber subscriber;
};

struct unsubscribe {
  event_subscriber subscriber;
};

// -- the table of requests ---------------------------------------------------

/// All there is to know of a request but what the overlay does: the interface
/// below, the registration, the filter of frames, the roles, the clients and
/// the servers follow from its row.  The names and the order of the members
/// are the format in which requests travel.
inline constexpr std::tuple request_table{
  request_row<get_status, device_status, &get_status::first_peer,
              &get_status::max_peers>{
    {"weft::get_status", control_role::view, answer_size::large}},
  request_row<apply_config, config_changes, &apply_config::config,
              &apply_config::dry_run, &apply_config::confirm_within,
              &apply_config::assured>{{"weft::apply_config"}},
  request_row<reload_config, config_changes, &reload_config::dry_run,
              &reload_config::if_changed, &reload_config::assured>{
    {"weft::reload_config"}},
  request_row<add_peer, config_changes, &add_peer::peer,
              &add_peer::confirm_within, &add_peer::assured>{
    {"weft::add_peer"}},
  request_row<update_peer, config_changes, &update_peer::update,
              &update_peer::confirm_within, &update_peer::assured>{
    {"weft::update_peer"}},
  request_row<remove_peer, config_changes, &remove_peer::peer>{
    {"weft::remove_peer"}},
  request_row<set_endpoint, config_changes, &set_endpoint::peer,
              &set_endpoint::where>{{"weft::set_endpoint"}},
  request_row<add_allowed_ip, config_changes, &add_allowed_ip::peer,
              &add_allowed_ip::prefix>{{"weft::add_allowed_ip"}},
  request_row<remove_allowed_ip, config_changes, &remove_allowed_ip::peer,
              &remove_allowed_ip::prefix>{{"weft::remove_allowed_ip"}},
  request_row<check_handshake, bool, &check_handshake::peer,
              &check_handshake::since>{
    {"weft::check_handshake", control_role::view}},
  request_row<generate_keys, key_pair>{{"weft::generate_keys"}},
  request_row<set_log_level, void, &set_log_level::level>{
    {"weft::set_log_level"}},
  request_row<subscribe, void, &subscribe::subscriber>{
    {"weft::subscribe", control_role::view, answer_size::small,
     streaming::yes}},
  request_row<unsubscribe, void, &unsubscribe::subscriber>{
    {"weft::unsubscribe", control_role::view, answer_size::small,
     streaming::yes}},
  request_row<shut_down, void>{{"weft::shut_down"}},
  request_row<begin_handshake, void, &begin_handshake::peer>{
    {"weft::begin_handshake"}},
  request_row<get_configuration, node_configuration,
              &get_configuration::first_peer>{
    {"weft::get_configuration", control_role::operate, answer_size::large}},
  request_row<expect_file, void, &expect_file::now, &expect_file::next>{
    {"weft::expect_file"}},
  request_row<confirm_config, void>{{"weft::confirm_config"}},
  request_row<reset_peer, config_changes, &reset_peer::peer>{
    {"weft::reset_peer"}},
  request_row<set_offloads, config_changes, &set_offloads::offloads>{
    {"weft::set_offloads"}},
};

/// A type that the table has a row for.
template <class T>
concept control_request = has_row<T, decltype(request_table)>::value;

/// The row of the request that frames call `type`; null: there is none.
const request_traits* find_request(std::string_view type);

// -- serialization -----------------------------------------------------------

template <class I, control_request T>
typename I::result_type inspect(I& f, T& x) {
  return inspect_request(f, x, find_row<T>(request_table));
}
template <class I>
typename I::result_type inspect(I& f, config_changes& x) {
  return f(caf::meta::type_name("weft::config_changes"), x.peers_added,
           x.peers_changed, x.peers_removed, x.notes);
}
template <class I>
typename I::result_type inspect(I& f, node_configuration& x) {
  return f(caf::meta::type_name("weft::node_configuration"), x.config,
           x.with_preshared_key, x.file, x.digests, x.changes, x.next_peer);
}
template <class I>
typename I::result_type inspect(I& f, key_pair& x) {
  return f(caf::meta::type_name("weft::key_pair"), x.secret, x.shared);
}
template <class I>
typename I::result_type inspect(I& f, overlay_event& x) {
  return f(caf::meta::type_name("weft::overlay_event"), packed(x.kind),
           packed(x.when), x.interface, x.peer, x.peer_name, packed(x.endpoint),
           x.reason);
}
template <class I>
typename I::result_type inspect(I& f, event_batch& x) {
  return f(caf::meta::type_name("weft::event_batch"), x.first, x.events);
}

// -- the interface -----------------------------------------------------------

/// An overlay, for everybody who steers it.
using overlay_actor = interface_of<decltype(request_table)>::type;

/// Makes the control messages known to an actor system that sends them to
/// other processes.  To be called before the system is made.
void configure(caf::actor_system_config& config);

} // namespace weft
