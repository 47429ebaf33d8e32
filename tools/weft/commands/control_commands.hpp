// The commands that steer a running node.  Each returns the exit code of the
// program.
#pragma once

#include "config/fields.hpp"
#include "platform/process.hpp"
#include "tools/weft/commands/commands.hpp"
#include "tools/weft/places/node_connection.hpp"
#include "tools/weft/places/target.hpp"
#include "tools/weft/view/top_screen.hpp"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// What a change is told that a mistake in could cut a host off.
struct assurance {
  std::chrono::seconds confirm_within{0}; ///< 0: it stays without
  bool yes = false; ///< also if it sends the host's whole traffic another way
};

// -- peers -------------------------------------------------------------------

/// A peer as it is given by options, which are those of the rows in
/// config/fields.hpp.
class peer_options {
public:
  struct option {
    std::optional<std::string> text; ///< nothing: it was not given
    std::vector<std::string> list;   ///< of a list, instead; `none` alone: none
  };

  std::string peer; ///< public key, or name
  assurance assured;
  std::array<option, field_count<peer_config>> options{};

  template <class Value>
  std::optional<std::string>& text_of(Value peer_config::*member) {
    return options.at(number_of(member)).text;
  }
  std::vector<std::string>&
  list_of(std::vector<ip_prefix> peer_config::*member) {
    return options.at(number_of(member)).list;
  }
};

/// Prints a line for each peer.
int list_peers(const node_connection& link, const streams& io);
int add_peer_as(const peer_options& options, const node_connection& link,
                const streams& io);
int change_peer(const peer_options& options, const node_connection& link,
                const streams& io);
int remove_peer_called(const std::string& peer, const node_connection& link,
                       const streams& io);

/// Forgets what was learnt of a peer, and begins with it anew.
int reset_peer_called(const std::string& peer, const node_connection& link,
                      const streams& io);

/// Adds allowed IPs to a peer, or takes them away: all or none of them.
int change_allowed_ips(const std::string& peer,
                       const std::vector<std::string>& prefixes, bool remove,
                       const assurance& assured, const node_connection& link,
                       const streams& io);

// -- the node ----------------------------------------------------------------

struct apply_options {
  std::string file;
  bool dry_run = false;
  assurance assured{};
};

/// Checks a file here, and applies it there.
int apply_file(const apply_options& options, const node_connection& link,
               const streams& io);
/// What is wrong with saving a change that is on trial, if it is.
std::optional<failure>
objection_to_saving(const assurance& assured, const node_connection& link);
/// Keeps what was applied on trial.
int confirm(const node_connection& link, const streams& io);
/// Has the node read its file again, or, on trial, applies it from here.
int reload(apply_options options, const node_connection& link,
           const streams& io);

/// Prints what was changed, and saves it if `link` says so.
int print_changes(outcome<config_changes> changes, const node_connection& link,
                  const streams& io);
/// Has the file of the node say what runs, and says what that has changed.
outcome<config_changes> save_running(const node_connection& link, bool dry_run);
int save(bool dry_run, const node_connection& link, const streams& io);
/// Prints the running configuration as YAML.
int export_running(bool with_keys, const node_connection& link,
                   const streams& io);
int change_log_level(const std::string& level, const node_connection& link,
                     const streams& io);
int shut_down_node(const node_connection& link, const streams& io);

struct offload_options {
  std::optional<std::string> tun; ///< nothing: it stays
  std::optional<std::string> udp{};
  std::optional<std::string> uring{};
};

/// Says which offloads are in use or, with options, changes that.
int offloads(const offload_options& options, const node_connection& link,
             const streams& io);

// -- live --------------------------------------------------------------------

struct watch_options {
  std::uint64_t count = 0; ///< events; 0: until a signal
};

/// Prints events until `signals`, a descriptor, can be read.
int watch_events(const watch_options& options, const node_connection& link,
                 const streams& io, int signals);

struct top_options {
  std::chrono::milliseconds interval{2000};
  screen_size size{}; ///< of show_top_once()
};

/// Shows the peers and what they transfer, once: it takes one interval.
int show_top_once(const top_options& options, const node_connection& link,
                  const streams& io);

/// What a live screen waits for, and where it is.
struct live_input {
  const signal_watch* signals = nullptr; ///< SIGWINCH, SIGTSTP; others end it
  int keys = -1;                         ///< see top_view; -1: none
  int screen = -1;                       ///< terminal whose size counts
};

/// The same again and again in the place of what the terminal shows.
int show_top_live(const top_options& options, const node_connection& link,
                  const streams& io, const live_input& input);

// -- where nodes are ---------------------------------------------------------

int list_contexts(const connection_options& options, const streams& io);
int use_context(const std::string& name, const connection_options& options,
                const streams& io);

} // namespace weft
