// The commands that steer running nodes.
#include "config/strings.hpp"
#include "platform/clock.hpp"
#include "platform/terminal.hpp"
#include "tools/weft/command_line.hpp"
#include "tools/weft/commands/control_commands.hpp"
#include "tools/weft/commands/explain.hpp"
#include "tools/weft/commands/upgrade_command.hpp"
#include "tools/weft/places/connection.hpp"
#include "tools/weft/places/other_end.hpp"
#include "tools/weft/places/requests.hpp"
#include "tools/weft/usage.hpp"
#include "tools/weft/view/status.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

namespace weft {

namespace {

/// What may be given to any of the commands.
struct control_arguments {
  connection_options connection;
  peer_options peer;
  std::vector<std::string> prefixes;
  std::string text; ///< the argument of its own
  apply_options apply;
  offload_options offloads;
  bool save = false;
  bool running = false;
  bool keys = false;
  watch_options watch;
  top_options top;
  bool once = false;
  bool verbose = false;
  std::string other; ///< where the node at the other end is
};

using arguments_ptr = std::shared_ptr<control_arguments>;
using node_command = std::function<int(const control_arguments&,
                                       const node_connection&, const streams&)>;

/// Runs a command on the node that it is for.
int run_on_node(const control_arguments& given, const node_command& action,
                const streams& io) {
  const auto& options = given.connection;
  const auto place = find_node(options);
  if (!place)
    return report(place.error(), options.json, io);
  if (given.save && std::holds_alternative<remote_node>(*place))
    return report(mistake("--save writes the node's file on its own host: run "
                          "the command there, or leave --save out"),
                  options.json, io);
  warn_of_own_end(*place, wall_now(), io.err);
  connections all;
  auto link = all.prepare(*place, options);
  link.save = given.save;
  return action(given, link, io);
}

int run_export(const control_arguments& given, const streams& io) {
  if (given.running == !given.text.empty())
    return report(mistake("give either FILE, to have it in wg-quick's format, "
                          "or --running, to have what runs as YAML"),
                  given.connection.json, io);
  if (given.keys && !given.running)
    return report(mistake("--keys belongs to --running: a file is printed with "
                          "its keys in any case"),
                  given.connection.json, io);
  if (!given.running)
    return export_config(given.text, given.connection.json, io);
  return run_on_node(
    given,
    [](const control_arguments& all, const node_connection& link,
       const streams& where) { return export_running(all.keys, link, where); },
    io);
}

int run_status(const control_arguments& given, const streams& io) {
  const auto& options = given.connection;
  status_options shown;
  shown.interface = options.interface;
  shown.json = options.json;
  shown.verbose = given.verbose;
  if (!options.socket_folder.empty())
    shown.socket_folder = options.socket_folder;
  connections all;
  const auto ask = [&](const node_place& place) {
    return ask_status(all.prepare(place, options));
  };
  const auto remote = find_remote(options);
  if (!remote)
    return report(remote.error(), options.json, io);
  if (*remote) {
    warn_of_own_end(**remote, wall_now(), io.err);
    return show_remote_status(**remote, shown, ask, io);
  }
  return show_status(shown, ask, io);
}

/// For commands that wait for signals, which must be known before there are
/// threads.
int run_watch(const control_arguments& given, const streams& io) {
  const auto& options = given.connection;
  const auto place = find_node(options);
  if (!place)
    return report(place.error(), options.json, io);
  const auto signals = signal_watch::open();
  if (!signals)
    return report(to_failure(signals.error()), options.json, io);
  warn_of_own_end(*place, wall_now(), io.err);
  connections all;
  return watch_events(given.watch, all.prepare(*place, options), io,
                      signals->descriptor());
}

int run_top(const control_arguments& given, const streams& io) {
  if (given.once || given.connection.json)
    return run_on_node(
      given,
      [](const control_arguments& all, const node_connection& link,
         const streams& where) { return show_top_once(all.top, link, where); },
      io);
  if (::isatty(STDOUT_FILENO) == 0)
    return report(mistake("top needs a terminal; --once prints one screen"),
                  false, io);
  static constexpr std::array handled{SIGINT,  SIGTERM, SIGHUP,
                                      SIGQUIT, SIGTSTP, SIGWINCH};
  const auto signals = signal_watch::open(handled);
  if (!signals)
    return report(to_failure(signals.error()), false, io);
  return run_on_node(
    given,
    [&](const control_arguments& all, const node_connection& link,
        const streams& where) {
      return show_top_live(all.top, link, where,
                           {&*signals, STDIN_FILENO, STDOUT_FILENO});
    },
    io);
}

int run_upgrade(const control_arguments& given, const streams& io) {
  const auto& options = given.connection;
  const auto place = find_node(options);
  if (!place)
    return report(place.error(), options.json, io);
  const auto* here = std::get_if<local_node>(&*place);
  if (here == nullptr)
    return report(mistake("a node is upgraded on its own host: run the command "
                          "there"),
                  options.json, io);
  return upgrade_node(*here, options.json, io);
}

int run_explain(const control_arguments& given, const streams& io) {
  const auto& options = given.connection;
  const auto place = find_node(options);
  if (!place)
    return report(place.error(), options.json, io);
  connections all;
  explain_options wanted;
  wanted.peer = given.peer.peer;
  wanted.is_here = std::holds_alternative<local_node>(*place);
  wanted.other
    = [&](const peer_status& peer) -> std::optional<outcome<device_status>> {
    const auto other = find_other_end(options, given.other, peer);
    if (!other)
      return tl::unexpected(other.error());
    if (!*other)
      return std::nullopt;
    const auto& [there, how, is_guess] = **other;
    auto status = ask_status(all.prepare(there, how));
    if (!status && is_guess)
      return std::nullopt;
    return status;
  };
  return explain_peer(wanted, all.prepare(*place, options), io);
}

/// An interface may be given twice, but not two of them.
void choose_interface(connection_options& options, const std::string& name) {
  if (!options.interface.empty() && options.interface != name)
    throw CLI::ValidationError("--interface",
                               "there are two interfaces, "
                                 + strings::quote(options.interface) + " and "
                                 + strings::quote(name) + "; one is expected");
  options.interface = name;
}

/// A row's option, and what the file calls the same: `--keepalive` and
/// `--persistent-keepalive`.
template <class Row>
std::string option_names(const Row& row) {
  std::string names{row.option};
  auto in_file
    = "--" + std::string{row.file_name.empty() ? row.name : row.file_name};
  std::replace(in_file.begin(), in_file.end(), '_', '-');
  if (!names.empty() && names != in_file)
    names += ',' + in_file;
  return names;
}

/// Declares the commands.
class control_line {
public:
  explicit control_line(command_line& line)
    : line_(line), all_(std::make_shared<control_arguments>()) {
    constexpr std::size_t whole_lines = 4096; // for pipes
    all_->top.size = {whole_lines, 0};
    if (const auto size = size_of_terminal(STDOUT_FILENO))
      all_->top.size.columns = size->columns;
  }

  void add_looking() {
    auto& status
      = add(line_.app(), "status", "Show running interfaces and their peers",
            [all = all_](const streams& io) { return run_status(*all, io); });
    add_interface(status, "Interface; all of this host if left out");
    status.add_flag("-v,--verbose", all_->verbose,
                    "Also sessions, packets, and what was dropped why");
    add_interface(
      add_on_node(line_.app(), "peers", "Show a line for each peer",
                  [](const control_arguments&, const node_connection& link,
                     const streams& io) { return list_peers(link, io); }));
    auto& watch
      = add(line_.app(), "watch", "Print what happens, as it happens",
            [all = all_](const streams& io) { return run_watch(*all, io); });
    add_interface(watch);
    add_number(watch,
               {"--count", "End after so many events", "a number of events", 1,
                1e9},
               [all = all_](double events) {
                 all->watch.count = static_cast<std::uint64_t>(events);
               });
    auto& top
      = add(line_.app(), "top", "Show what the peers transfer, live",
            [all = all_](const streams& io) { return run_top(*all, io); });
    add_interface(top);
    add_number(top,
               {"--interval", "Seconds between two looks (2)",
                "a number of seconds", 0.1, 3600, false},
               [all = all_](double seconds) {
                 all->top.interval = std::chrono::milliseconds{
                   static_cast<std::int64_t>(seconds * 1000)};
               });
    top.add_flag("--once", all_->once,
                 "Print one screen, with all peers, for a pipe or a file");
  }

  void add_explaining() {
    auto& explain
      = add(line_.app(), "explain",
            "Say what is wrong with a peer, and what to do",
            [all = all_](const streams& io) { return run_explain(*all, io); });
    add_peer_name(explain);
    explain.add_option("--other", all_->other,
                       "Context of the node at the other end, or its interface "
                       "on this host (the context called as the peer is)");
  }

  void add_peers() {
    auto& peer = line_.add_group("peer", "Add, change and remove peers");
    auto& added = add_on_node(
      peer, "add", "Add a peer, or make a known one be as the options say",
      [](const control_arguments& all, const node_connection& link,
         const streams& io) { return add_peer_as(all.peer, link, io); });
    added.add_option("KEY", all_->peer.peer, "Its public key")->required();
    add_peer_options(added);
    add_assurance(added, all_->peer.assured);
    add_save(added);
    auto& changed = add_on_node(
      peer, "set", "Change what the options say of a peer, and nothing else",
      [](const control_arguments& all, const node_connection& link,
         const streams& io) { return change_peer(all.peer, link, io); });
    add_peer_name(changed);
    add_peer_options(changed);
    add_assurance(changed, all_->peer.assured);
    add_save(changed);
    auto& removed
      = add_on_node(peer, "remove", "Remove a peer",
                    [](const control_arguments& all,
                       const node_connection& link, const streams& io) {
                      return remove_peer_called(all.peer.peer, link, io);
                    });
    add_peer_name(removed);
    add_save(removed);
    add_peer_name(add_on_node(
      peer, "reset",
      "Forget where a peer was and its newest handshake, and begin anew",
      [](const control_arguments& all, const node_connection& link,
         const streams& io) {
        return reset_peer_called(all.peer.peer, link, io);
      }));

    auto& allow
      = line_.add_group("allow", "Add and remove the allowed IPs of a peer");
    add_prefixes(allow, "add", "Send to these prefixes through a peer", false);
    add_prefixes(allow, "remove", "No longer do so", true);
  }

  void add_node() {
    add_apply();
    auto& reloaded = add_on_node(
      line_.app(), "reload",
      "Make the daemon read its configuration file again",
      [](const control_arguments& all, const node_connection& link,
         const streams& io) { return reload(all.apply, link, io); });
    add_interface(reloaded);
    add_dry_run(reloaded);
    add_assurance(reloaded, all_->apply.assured);
    auto& saved = add_on_node(
      line_.app(), "save", "Write what commands changed to the node's file",
      [](const control_arguments& all, const node_connection& link,
         const streams& io) { return save(all.apply.dry_run, link, io); });
    add_interface(saved);
    add_dry_run(saved);
    auto& exported
      = add(line_.app(), "export",
            "Print a file for wg-quick, or the running node as YAML",
            [all = all_](const streams& io) { return run_export(*all, io); });
    exported.add_option("FILE", all_->text,
                        "Configuration (YAML), printed with its keys");
    exported.add_flag("--running", all_->running,
                      "What the node is configured to be just now");
    exported.add_flag("--keys", all_->keys, "With --running: its keys, too");
    auto& level = add_on_node(
      line_.app(), "log-level", "Change how much the daemon logs",
      [](const control_arguments& all, const node_connection& link,
         const streams& io) { return change_log_level(all.text, link, io); });
    level
      .add_option("LEVEL", all_->text, "trace, debug, info, warn, error or off")
      ->required();
    add_save(level);
    add_offloads();
    add_interface(
      add(line_.app(), "upgrade",
          "Go on with the program that is on disk now, and the same sessions",
          [all = all_](const streams& io) { return run_upgrade(*all, io); }));
    add_interface(add_on_node(
      line_.app(), "shutdown", "End the daemon, and with it the interface",
      [](const control_arguments&, const node_connection& link,
         const streams& io) { return shut_down_node(link, io); }));
  }

  void add_contexts() {
    auto& context
      = line_.add_group("context", "Nodes to control from here, by name");
    auto& list = line_.add_to(context, "list", "Show what the file has",
                              [all = all_](const streams& io) {
                                return list_contexts(all->connection, io);
                              });
    list.add_flag("--json", all_->connection.json, "Print JSON");
    auto& use
      = line_.add_to(context, "use", "Choose where commands without a place go",
                     [all = all_](const streams& io) {
                       return use_context(all->text, all->connection, io);
                     });
    use.add_option("NAME", all_->text, "Context, or local for this host")
      ->required();
    use.add_flag("--json", all_->connection.json, "Print JSON");
  }

private:
  void add_apply() {
    auto& applied = add_on_node(
      line_.app(), "apply",
      "Check a configuration file here, and apply it there",
      [](const control_arguments& all, const node_connection& link,
         const streams& io) { return apply_file(all.apply, link, io); });
    applied.add_option("FILE", all_->apply.file, "Configuration (YAML)")
      ->required();
    add_dry_run(applied);
    add_assurance(applied, all_->apply.assured);
    add_save(applied);
    add_interface(add_on_node(
      line_.app(), "confirm", "Keep what was applied with --confirm",
      [](const control_arguments&, const node_connection& link,
         const streams& io) { return confirm(link, io); }));
  }
  static void add_assurance(CLI::App& to, assurance& assured) {
    to.add_option_function<std::string>(
      "--confirm",
      [&assured](const std::string& text) {
        const auto read = read_keepalive(text);
        if (!read || read->count() == 0)
          throw CLI::ValidationError("--confirm", read ? "1s to 1h is expected"
                                                       : read.error());
        assured.confirm_within = *read;
      },
      "Take it back after this time (60s) unless 'weft confirm' comes");
    to.add_flag("--yes", assured.yes,
                "Also if it sends this host's whole traffic another way "
                "(default_route, kill_switch)");
  }
  void add_offloads() {
    auto& offloads = add_on_node(
      line_.app(), "offloads",
      "Show or change what the kernel does for many packets at once",
      [](const control_arguments& all, const node_connection& link,
         const streams& io) { return weft::offloads(all.offloads, link, io); });
    add_interface(offloads);
    offloads.add_option("--tun", all_->offloads.tun,
                        "Of the TUN device: auto or off");
    offloads.add_option("--udp", all_->offloads.udp,
                        "Of the sockets: auto, off, or on (also with a kernel "
                        "that auto does not trust)");
    offloads.add_option("--uring", all_->offloads.uring,
                        "Small packets of the TUN device, read in groups "
                        "(io_uring): auto or off");
    add_save(offloads);
  }
  void add_dry_run(CLI::App& to) {
    to.add_flag("--dry-run", all_->apply.dry_run,
                "Say what would change, and change nothing");
  }
  void add_save(CLI::App& to) {
    to.add_flag(
      "--save", all_->save,
      "Then write it to the node's file, with all that was not saved");
  }
  CLI::App& add(CLI::App& above, const std::string& name,
                const std::string& description, command_line::command action) {
    auto& added = line_.add_to(above, name, description, std::move(action));
    add_connection(added);
    return added;
  }
  CLI::App& add_on_node(CLI::App& above, const std::string& name,
                        const std::string& description, node_command action) {
    return add(above, name, description,
               [all = all_, action = std::move(action)](const streams& io) {
                 return run_on_node(*all, action, io);
               });
  }

  void add_connection(CLI::App& to) {
    auto& options = all_->connection;
    const auto* place = "Place";
    const auto text
      = [&](const char* name, std::string& into, const char* description) {
          to.add_option(name, into, description)->group(place);
        };
    to.add_option_function<std::string>(
        "-i,--interface",
        [&options](const std::string& name) {
          choose_interface(options, name);
        },
        "Interface of this host; not needed if there is one only")
      ->group(place);
    text("--socket-folder", options.socket_folder,
         "Folder of the control sockets (/run/weft)");
    text("--context", options.context,
         "Node that ~/.config/weft/contexts.yaml names");
    text("--at", options.at, "HOST:PORT of a node elsewhere");
    text("--certificate", options.certificate, "Own certificate, for --at");
    text("--key", options.key, "Its key");
    text("--ca", options.ca, "Authority of the node's certificate");
    text("--revocations", options.revocations,
         "The authority's list of revocations");
    text("--server-name", options.server_name,
         "Name in the node's certificate, if it is not HOST");
    add_number(to,
               {"--timeout", "Seconds to wait for an answer (10)",
                "a number of seconds", 1, 3600},
               [&options](double seconds) {
                 options.timeout
                   = std::chrono::seconds{static_cast<std::int64_t>(seconds)};
               });
    to.add_flag("--json", options.json, "Print JSON, errors too");
  }

  /// As an argument, too.
  void add_interface(CLI::App& to, const std::string& description
                                   = "Interface, as with --interface") {
    to.add_option_function<std::string>(
      "NAME",
      [&options = all_->connection](const std::string& name) {
        choose_interface(options, name);
      },
      description);
  }
  void add_peer_name(CLI::App& to) {
    to.add_option("PEER", all_->peer.peer,
                  "Its public key or the beginning of it, or its name")
      ->required();
  }
  void add_peer_options(CLI::App& to) {
    for_each_field<peer_config>([&](const auto& row, auto number) {
      auto& given = all_->peer.options.at(number);
      const auto name = option_names(row);
      const std::string help{row.option_help};
      if (name.empty())
        return;
      if constexpr (std::is_same_v<value_of<decltype(row)>, prefix_list>)
        to.add_option(name, given.list, help)->allow_extra_args(false);
      else
        to.add_option(name, given.text, help);
    });
  }
  void add_prefixes(CLI::App& above, const std::string& name,
                    const std::string& description, bool remove) {
    auto& added
      = add_on_node(above, name, description,
                    [remove](const control_arguments& all,
                             const node_connection& link, const streams& io) {
                      return change_allowed_ips(all.peer.peer, all.prefixes,
                                                remove, all.peer.assured, link,
                                                io);
                    });
    add_peer_name(added);
    added.add_option("PREFIX", all_->prefixes, "ADDRESS/LENGTH")->required();
    if (!remove)
      add_assurance(added, all_->peer.assured);
    add_save(added);
  }

  command_line& line_;
  arguments_ptr all_;
};

} // namespace

void add_control_commands(command_line& line) {
  control_line control(line);
  control.add_looking();
  control.add_peers();
  control.add_node();
  control.add_contexts();
  control.add_explaining();
}

} // namespace weft
