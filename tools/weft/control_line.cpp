// The commands that steer running nodes.
#include "platform/clock.hpp"
#include "platform/terminal.hpp"
#include "tools/weft/command_line.hpp"
#include "tools/weft/commands/control_commands.hpp"
#include "tools/weft/places/connection.hpp"
#include "tools/weft/places/requests.hpp"
#include "tools/weft/view/status.hpp"

#include <unistd.h>

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
  watch_options watch;
  top_options top;
  bool once = false;
  bool verbose = false;
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
  warn_of_own_end(*place, wall_now(), io.err);
  connections all;
  return action(given, all.prepare(*place, options), io);
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

/// Declares the commands.
class control_line {
public:
  explicit control_line(command_line& line)
    : line_(line), all_(std::make_shared<control_arguments>()) {
    all_->top.size = {80, 0};
    if (const auto size = size_of_terminal(STDOUT_FILENO))
      all_->top.size.columns = size->columns;
  }

  void add_looking() {
    auto& status
      = add(line_.app(), "status", "Show running interfaces and their peers",
            [all = all_](const streams& io) { return run_status(*all, io); });
    status.add_option("NAME", all_->connection.interface,
                      "Interface; all of this host if left out");
    status.add_flag("-v,--verbose", all_->verbose,
                    "Also sessions, packets, and what was dropped why");
    add_on_node(line_.app(), "peers", "Show a line for each peer",
                [](const control_arguments&, const node_connection& link,
                   const streams& io) { return list_peers(link, io); });
    auto& watch
      = add(line_.app(), "watch", "Print what happens, as it happens",
            [all = all_](const streams& io) { return run_watch(*all, io); });
    watch.add_option("--count", all_->watch.count, "End after so many events")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}));
    auto& top
      = add(line_.app(), "top", "Show what the peers transfer, live",
            [all = all_](const streams& io) { return run_top(*all, io); });
    top
      .add_option_function<double>(
        "--interval",
        [all = all_](double seconds) {
          all->top.interval = std::chrono::milliseconds{
            static_cast<std::int64_t>(seconds * 1000)};
        },
        "Seconds between two looks (2)")
      ->check(CLI::Range(0.1, 3600.0));
    top.add_flag("--once", all_->once,
                 "Print one screen, with all peers, for a pipe or a file");
  }

  void add_peers() {
    auto& peer = line_.add_group("peer", "Add, change and remove peers");
    auto& added = add_on_node(
      peer, "add", "Add a peer, or make a known one be as the options say",
      [](const control_arguments& all, const node_connection& link,
         const streams& io) { return add_peer_as(all.peer, link, io); });
    added.add_option("KEY", all_->peer.peer, "Its public key")->required();
    add_peer_options(added);
    auto& changed = add_on_node(
      peer, "set", "Change what the options say of a peer, and nothing else",
      [](const control_arguments& all, const node_connection& link,
         const streams& io) { return change_peer(all.peer, link, io); });
    add_peer_name(changed);
    add_peer_options(changed);
    auto& removed
      = add_on_node(peer, "remove", "Remove a peer",
                    [](const control_arguments& all,
                       const node_connection& link, const streams& io) {
                      return remove_peer_called(all.peer.peer, link, io);
                    });
    add_peer_name(removed);

    auto& allow
      = line_.add_group("allow", "Add and remove the allowed IPs of a peer");
    add_prefixes(allow, "add", "Send to these prefixes through a peer", false);
    add_prefixes(allow, "remove", "No longer do so", true);
  }

  void add_node() {
    add_on_node(line_.app(), "apply",
                "Check a configuration file here, and apply it there",
                [](const control_arguments& all, const node_connection& link,
                   const streams& io) {
                  return apply_file(all.text, link, io);
                })
      .add_option("FILE", all_->text, "Configuration (YAML)")
      ->required();
    add_on_node(line_.app(), "reload",
                "Make the daemon read its configuration file again",
                [](const control_arguments&, const node_connection& link,
                   const streams& io) { return reload(link, io); });
    add_on_node(line_.app(), "log-level", "Change how much the daemon logs",
                [](const control_arguments& all, const node_connection& link,
                   const streams& io) {
                  return change_log_level(all.text, link, io);
                })
      .add_option("LEVEL", all_->text, "trace, debug, info, warn, error or off")
      ->required();
    add_on_node(line_.app(), "shutdown",
                "End the daemon, and with it the interface",
                [](const control_arguments&, const node_connection& link,
                   const streams& io) { return shut_down_node(link, io); });
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
    text("-i,--interface", options.interface,
         "Interface of this host; not needed if there is one only");
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
    to.add_option_function<int>(
        "--timeout",
        [&options](int seconds) {
          options.timeout = std::chrono::seconds{seconds};
        },
        "Seconds to wait for an answer (10)")
      ->check(CLI::Range(1, 3600));
    to.add_flag("--json", options.json, "Print JSON, errors too");
  }

  void add_peer_name(CLI::App& to) {
    to.add_option("PEER", all_->peer.peer, "Its public key, or its name")
      ->required();
  }
  void add_peer_options(CLI::App& to) {
    for_each_field<peer_config>([&](const auto& row, auto number) {
      auto& given = all_->peer.options.at(number);
      const std::string name{row.option};
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
                                                remove, link, io);
                    });
    add_peer_name(added);
    added.add_option("PREFIX", all_->prefixes, "ADDRESS/LENGTH")->required();
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
}

} // namespace weft
