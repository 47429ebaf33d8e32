#include "tools/weftd/daemon.hpp"

#include "actors/control/server/gateway.hpp"
#include "actors/metrics/start_metrics.hpp"
#include "actors/overlay/config_files.hpp"
#include "actors/overlay/start_overlay.hpp"
#include "config/host_needs.hpp"
#include "platform/accounts.hpp"
#include "platform/clock.hpp"
#include "platform/epoll.hpp"
#include "platform/file_watch.hpp"
#include "platform/kept_file.hpp"
#include "platform/leaving.hpp"
#include "platform/privileges.hpp"
#include "platform/processors.hpp"
#include "platform/service_manager.hpp"
#include "platform/thread.hpp"
#include "tools/exit_codes.hpp"
#include "tools/weftd/guardian.hpp"
#include "tools/weftd/lock_lines.hpp"
#include "tools/weftd/logging.hpp"
#include "tools/weftd/network_parts.hpp"
#include "tools/weftd/replacement.hpp"
#include "tools/weftd/stored_node.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <tuple>

namespace weft {

namespace {

/// CAF's own scheduler carries no packets and, so far, nothing else; one
/// worker that waits without polling is enough.
class actor_config final : public caf::actor_system_config {
public:
  actor_config() {
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", std::size_t{1});
  }
};

using namespace std::chrono_literals;

/// CAF's own and one for each loop.
constexpr std::size_t least_threads = 9;

/// What `interface.cores: auto` comes to at the most: one core reads, joins and
/// writes for all, and has no work for more.
constexpr std::size_t most_automatic_cores = 4;

/// A file that changes is read once it has rested for this long.
constexpr auto rest_before_reload = 200ms;
/// One that cannot be opened when it has changed is tried again.
constexpr auto pause_before_retry = 1s;
/// Then the overlay is to say what is wrong, once, until it changes again.
constexpr int most_retries = 5;

/// Reads the file again, as weftd did when it started.
tl::expected<file_config, std::string>
read_again(const std::string& file, spdlog::logger& log) {
  std::vector<std::string> warnings;
  auto config = load_yaml_with_digest(file, &warnings);
  for (const auto& warning : warnings)
    log.warn("{}", warning);
  if (config)
    return std::move(*config);
  std::string text;
  for (const auto& error : config.error())
    text += (text.empty() ? "" : "\n") + to_string(error);
  return tl::unexpected{text};
}

/// Where what outlives the process goes, if `wanted` does not say it.
std::string state_folder_of(const std::string& wanted) {
  if (!wanted.empty() && wanted != "none")
    return wanted;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  const char* given = std::getenv("STATE_DIRECTORY");
  const std::string all = given == nullptr ? "" : given;
  const auto first = all.substr(0, all.find(':'));
  return first.empty() ? "/var/lib/weft" : first;
}

/// Where, and for whom, the overlay can be steered from outside.
gateway_options
control_of(const control_config& config, const std::string& interface,
           const std::string& state_folder,
           std::shared_ptr<spdlog::logger> log) {
  gateway_options options;
  options.interface = interface;
  options.socket_path = config.socket_folder + '/' + interface + ".sock";
  options.socket_group = config.group;
  options.log = std::move(log);
  if (!config.listen)
    return options;
  tls_access access;
  access.listen = {*config.listen};
  access.files = {config.certificate, config.key, config.ca, config.revocations,
                  state_folder + '/' + interface + ".revocations"};
  access.roles = config.roles;
  options.tls = std::move(access);
  return options;
}

/// What an earlier process knew of its peers, and where this one leaves what it
/// knows.  Nothing if there is no place for it.
std::shared_ptr<kept_file>
recall(const std::string& wanted, const std::string& interface,
       const std::function<void()>& await_former, state_options& into,
       spdlog::logger& log) {
  if (wanted == "none")
    return nullptr;
  const auto folder = state_folder_of(wanted) + '/' + interface;
  auto kept = kept_file::open(folder, "peers");
  if (!kept && await_former) {
    await_former(); // who keeps it until then
    kept = kept_file::open(folder, "peers");
  }
  if (!kept) {
    log.warn("nothing is remembered over a restart: {}", kept.error().message);
    return nullptr;
  }
  const auto& file = *kept;
  const auto text = file->read(max_memory_size + 1);
  auto memory = text ? parse_memory(*text, wall_now())
                     : tl::unexpected(text.error().message);
  if (memory)
    into.remembered = std::move(*memory);
  else if (!text || !text->empty())
    log.warn("{} is ignored, and written anew: {}", file->path(),
             memory.error());
  into.write = [file](const std::string& news) { return file->write(news); };
  into.leave = [file](std::string news) { file->leave(std::move(news)); };
  return file;
}

/// Nothing, if nobody is to read metrics.
std::optional<metrics_options>
metrics_of(const node_config& config, std::shared_ptr<spdlog::logger> log) {
  if (!config.metrics.listen && config.metrics.socket.empty())
    return {};
  metrics_options options;
  options.config = config.metrics;
  options.socket_group = config.control.group;
  options.log = std::move(log);
  return options;
}

/// What it takes to run this configuration, and to take up changes to it.
privilege_options privileges_for(const daemon_options& options) {
  const auto is_low = [](const std::optional<endpoint>& where) {
    constexpr std::uint16_t first_open_port = 1024;
    return where && where->port > 0 && where->port < first_open_port;
  };
  const auto& interface = options.config.interface;
  const auto& control = options.config.control;
  privilege_options needed;
  needed.user = options.user;
  needed.filter_system_calls = options.filter_system_calls;
  // wg(8) tells a drop-in its port later on.
  needed.low_ports = options.file.empty() || is_low(interface.listen)
                     || is_low(control.listen)
                     || is_low(options.config.metrics.listen)
                     || is_low(options.config.directory.listen);
  const auto& network = options.config.network;
  const auto& directory = options.config.directory;
  for (const auto& file :
       {options.file, control.certificate, control.key, control.ca,
        control.revocations, network.root, network.certificate, network.key,
        directory.certificate, directory.key, directory.store.password_file,
        directory.store.authority}) {
    if (!file.empty())
      needed.files.push_back(file);
  }
  if (control.group.empty())
    return needed;
  // If there is no such group, the gateway says so.
  if (const auto group = find_group(control.group))
    needed.group = *group;
  return needed;
}

/// What this process needs beside what it is given, as far as that can be seen
/// while the node whose place it takes still runs.
result<void>
check_place(const overlay_options& options, const node_config& network,
            const inherited_overlay& left) {
  constexpr std::size_t most_descriptors = 256; // of a node that begins
  return check_inherited(options, left)
    .and_then([] { return check_descriptors(most_descriptors); })
    .and_then([&] { return check_network(network); });
}

/// What a node cannot take over from another process; empty: it may try to.
std::string why_not_replacing(const daemon_options& options) {
  if (!options.replaces)
    return {};
  if (is_service())
    return "a service is restarted instead: weft upgrade";
  if (options.needs_guardian && needs_root(options.config))
    return "what interface.dns, on_up, on_down and a full tunnel have changed "
           "on this host is undone when the node that runs ends: stop it, and "
           "start this one without --replace";
  std::error_code failed;
  if (const auto& issuer = options.config.directory.issuer;
      !issuer.empty() && std::filesystem::is_directory(issuer, failed))
    return "the issuer of the node that runs ends with it: stop it, and start "
           "this one without --replace";
  return {};
}

/// Waits for a signal to end, for the end of the overlay, or for a reason to
/// read the configuration again.
class supervisor {
public:
  static result<std::unique_ptr<supervisor>> create() {
    auto signals = signal_watch::open();
    if (!signals)
      return tl::unexpected(signals.error());
    auto events = poller::open();
    if (!events)
      return tl::unexpected(events.error());
    if (auto done
        = events->watch(signals->descriptor(), interest::read, nullptr);
        !done)
      return tl::unexpected(done.error());
    return std::unique_ptr<supervisor>(
      new supervisor(std::move(*signals), std::move(*events)));
  }

  void watch(const overlay_actor& actor) {
    caf::actor_cast<caf::strong_actor_ptr>(actor)->get()->attach_functor(
      [this](const caf::error& reason) {
        failed_ = reason != caf::exit_reason::user_shutdown;
        ended_ = true;
        events_.wake();
      });
  }

  /// Has `reload` called when the file changes, too.
  result<void> watch_file(const std::string& file) {
    auto watch = file_watch::open(file);
    if (!watch)
      return tl::unexpected(watch.error());
    file_ = std::move(*watch);
    path_ = file;
    return events_.watch(file_->descriptor(), interest::read, nullptr);
  }

  /// Has `serve` called when somebody comes to take this node's place.
  result<void> watch_successors(int descriptor, std::function<bool()> serve) {
    serve_ = std::move(serve);
    successors_ = descriptor;
    return events_.watch(descriptor, interest::read, &serve_);
  }
  bool is_succeeded() const {
    return succeeded_;
  }

  /// The signal that asks to end, or none when the overlay ended by itself.
  caught_signal wait(const std::function<void(bool if_changed)>& reload) {
    for (;;) {
      if (ended_)
        return {};
      for (const auto& event : events_.wait(true)) {
        if (event.tag != &serve_ || succeeded_ || !serve_())
          continue;
        succeeded_ = true;
        events_.forget(successors_);
      }
      if (const auto signal = next_end_signal(); signal.number != 0)
        return signal;
      const auto now = boot_now();
      if (file_ && file_->read()) {
        reload_at_ = now + rest_before_reload;
        retries_ = 0;
        events_.set_deadline(reload_at_);
      }
      if (!hang_up_ && reload_at_ && *reload_at_ <= now && !can_open(path_)
          && retries_++ < most_retries) {
        reload_at_ = now + pause_before_retry;
        events_.set_deadline(reload_at_);
      }
      if (hang_up_ || (reload_at_ && *reload_at_ <= now)) {
        const bool if_changed = !std::exchange(hang_up_, false);
        reload_at_.reset();
        events_.set_deadline(std::nullopt);
        reload(if_changed);
      }
    }
  }
  /// Another signal meanwhile ends the process at once.
  void wait_for_end(spdlog::logger& log) {
    while (!ended_) {
      std::ignore = events_.wait(true);
      if (next_end_signal().number == 0)
        continue;
      log.flush();
      std::_Exit(exit_failure);
    }
  }
  bool failed() const {
    return failed_;
  }
  /// Waits until it has ended, or for another signal.
  void wait_for_end(const guardian& helper) {
    if (file_)
      events_.forget(file_->descriptor()); // nobody reads it any more
    if (!events_.watch(helper.descriptor(), interest::read, nullptr))
      return;
    while (!helper.has_ended() && next_end_signal().number == 0)
      std::ignore = events_.wait(true);
  }

private:
  supervisor(signal_watch signals, poller events)
    : signals_(std::move(signals)), events_(std::move(events)) {
  }

  /// SIGINT or SIGTERM if one is there; SIGHUP is kept in mind.
  caught_signal next_end_signal() {
    auto signal = next_signal(signals_);
    for (; signal.number != 0; signal = next_signal(signals_)) {
      if (signal.number == SIGINT || signal.number == SIGTERM)
        break;
      hang_up_ = true;
    }
    return signal;
  }

  signal_watch signals_;
  poller events_;
  std::optional<file_watch> file_;
  std::string path_; ///< of it
  std::optional<time_point> reload_at_;
  int retries_ = 0; ///< since the file changed
  bool hang_up_ = false;
  std::function<bool()> serve_; ///< a successor
  int successors_ = -1;
  bool succeeded_ = false; ///< another process has this one's place
  std::atomic<bool> ended_{false};
  std::atomic<bool> failed_{false};
};

} // namespace

int run_daemon(daemon_options options, background* parent) {
  // A log that nobody reads any more is no reason to end.
  std::ignore = std::signal(SIGPIPE, SIG_IGN);
  auto waiting = supervisor::create();
  protect_memory(); // again, if this is a child in the background
  raise_file_limit();
  std::vector<std::string> guardian_notes;
  if (const auto why = why_not_replacing(options); !why.empty()) {
    std::cerr << "weftd: --replace: " << why << '\n';
    return exit_mistaken;
  }
  const auto helper
    = options.needs_guardian
        ? guardian::start(options.config, options.file, guardian_notes)
        : guardian{};
  const auto issuer
    = issuer_companion::start(options.config, options.user, guardian_notes);
  // Privileges are a thread's: no other has started yet, not even the log's.
  const auto notes = reduce_privileges(privileges_for(options));
  // The log has a thread, too.
  if (const auto enough
      = check_threads(least_threads + network_threads(options.config));
      !enough) {
    std::cerr << "weftd: " << enough.error().message << '\n';
    return exit_failure;
  }
  auto log = make_logger(options.config.log);
  if (!waiting || !notes) {
    log->critical("{}", (waiting ? notes.error() : waiting.error()).message);
    return exit_failure;
  }
  for (const auto* list : {&*notes, &std::as_const(guardian_notes)})
    for (const auto& note : *list)
      log->warn("{}", note);
  actor_config config;
  caf::actor_system system{config};
  const auto peers = options.config.peers.size();
  const auto watches_file = options.config.reload == reload_mode::watch;
  const auto control = options.config.control;
  auto metrics = metrics_of(options.config, log);
  const auto network_part = network_part_of(options.config);
  const auto rest = rest_of_file(options.config);
  overlay_options overlay;
  overlay.config = std::move(options.config);
  overlay.configure_link = options.configure_link;
  overlay.cores = std::min(usable_processors(), most_automatic_cores);
  overlay.log = log;
  overlay.ask_helper = way_to_helper(helper, options.helper_file, log);
  const auto interface = overlay.config.interface.name;
  if (options.replaces) {
    auto left = take_place(replacement_socket(control, interface), interface,
                           [&](const inherited_overlay& offered) {
                             return check_place(overlay, network_part, offered);
                           });
    if (!left) {
      log->critical("{}", left.error().message);
      return exit_failure;
    }
    if (!left->unreadable.empty())
      log->warn("what the node of {} leaves cannot be gone on with ({}): its "
                "device stays, sessions begin anew, and what was changed by "
                "command is gone",
                interface, left->unreadable);
    overlay.inherited = std::move(left->left); // nobody else has it any more
  } else {
    overlay.inherited = take_stored_node(
      std::move(options.passed), overlay.config.interface,
      [&overlay](const inherited_overlay& offered) {
        return check_inherited(overlay, offered);
      },
      *log);
  }
  const bool goes_on = overlay.inherited.has_value();
  if (options.only_goes_on && !(goes_on && overlay.inherited->state)) {
    log->critical("{} has mistakes, and there is no node to go on with",
                  options.file);
    return exit_mistaken;
  }
  const auto await_former = goes_on ? overlay.inherited->await_end : nullptr;
  std::shared_ptr<kept_file> kept;
  if (!options.file.empty()) {
    overlay.read_config
      = [file = options.file, log] { return read_again(file, *log); };
    overlay.file = std::filesystem::absolute(options.file).string();
    overlay.file_digest = options.file_digest;
    kept = recall(options.state_folder, overlay.config.interface.name,
                  await_former, overlay.state, *log);
    // With its place goes what the node before has made for the tunnel.
    overlay.keep_lock = overlay.inherited && overlay.inherited->state
                          ? tell_lock(overlay.config.interface.name, *log)
                          : find_lock(overlay.config.interface, *log);
  }
  const bool locks = overlay.config.interface.kill_switch && !overlay.keep_lock;
  auto running = start_overlay(system, std::move(overlay));
  if (!running) {
    log->critical("{}", running.error().message);
    tell_lock(interface, *log);
    return exit_failure;
  }
  if (locks)
    tell_new_lock(interface, *log);
  (*waiting)->watch(running->actor);
  if (await_former)
    await_former(); // it serves the places below until then
  const auto gateway
    = start_gateway(system, running->actor,
                    control_of(control, running->interface,
                               state_folder_of(options.state_folder), log));
  if (!gateway) {
    // The drop-in promises wg(8)'s socket alone; and who ends now, with the
    // sessions of another, ends them.
    if (!options.file.empty() && !goes_on) {
      log->critical("{}", gateway.error().message);
      caf::anon_send(running->actor, shut_down{});
      (*waiting)->wait_for_end(*log);
      return exit_failure;
    }
    log->warn("{}: nobody can steer this node", gateway.error().message);
  } else {
    (*gateway)->attach_functor([log](const caf::error& reason) {
      if (reason != caf::exit_reason::user_shutdown)
        log->critical("control: the gateway failed: nobody can steer this node "
                      "until weftd is restarted");
    });
  }
  metrics_actor served;
  if (metrics) {
    auto started = start_metrics(system, running->actor, std::move(*metrics));
    if (started)
      served = std::move(*started);
    else
      log->error("{}", started.error().message);
  }
  auto network = start_network(system, network_part, *running, log);
  if (!network) {
    log->critical("network: {}", network.error().message);
    if (!goes_on) {
      caf::anon_send(running->actor, shut_down{});
      (*waiting)->wait_for_end(*log);
      return exit_failure;
    }
    network = network_parts{}; // peers stay as they are
  }
  // What ends with this process would be missing in the next one.
  const bool can_be_left = !helper.is_there() && !issuer.is_there();
  std::optional<place_giver> giver;
  if (can_be_left && !is_service() && !is_first_process()) {
    auto opened
      = place_giver::open(replacement_socket(control, running->interface));
    if (opened)
      giver.emplace(std::move(*opened));
    else
      log->warn("nobody can take this node's place: {}",
                opened.error().message);
  }
  if (giver) {
    const auto watched = (*waiting)->watch_successors(giver->descriptor(), [&] {
      const auto let_go = [&kept] {
        if (kept)
          kept->pass_on();
      };
      return giver->serve(system, running->actor, let_go, *log);
    });
    if (!watched)
      log->warn("{}", watched.error().message);
  }
  if (watches_file) {
    if (auto watched = (*waiting)->watch_file(options.file); !watched)
      log->warn("{}", watched.error().message);
  }
  if (goes_on) {
    log->info("interface {} goes on in this process, UDP port {}",
              running->interface, running->port);
    if (!options.file.empty())
      caf::anon_send(running->actor, reload_config{false, true});
  } else {
    log->info("interface {} is up, UDP port {}, peers: {}", running->interface,
              running->port, peers);
  }
  tell_failures_no_longer();
  notify_service_manager("READY=1");
  helper.node_works();
  if (parent != nullptr) {
    log->flush(); // standard error may be gone afterwards
    parent->ready();
  }
  const auto reload = [&](bool if_changed) {
    // The overlay logs what comes of it.
    caf::anon_send(running->actor, reload_config{false, if_changed});
  };
  bool is_left = false; // to the next process of the service
  if (const auto signal = (*waiting)->wait(reload); signal.number != 0) {
    log->info("shutting down on {}",
              signal.number == SIGINT ? "SIGINT" : "SIGTERM");
    notify_service_manager("STOPPING=1");
    is_left = signal.value == leave_to_successor && is_service() && can_be_left
              && !options.file.empty()
              && leave_node(system, running->actor, rest, *log);
    if (!is_left)
      caf::anon_send(running->actor, shut_down{});
    (*waiting)->wait_for_end(*log);
  }
  const bool goes_on_elsewhere = is_left || (*waiting)->is_succeeded();
  if (goes_on_elsewhere)
    log->info("interface {} goes on in another process", running->interface);
  if ((*waiting)->is_succeeded() && !network->directory
      && !network->membership) {
    // The other one waits for what this one serves, and thousands of peers, who
    // have nothing to do any more, would take long to end one by one.
    log->flush();
    std::_Exit(exit_fine);
  }
  *network = {};
  running->actor = nullptr;
  system.await_all_actors_done();
  if (kept) {
    if (const auto done = kept->write_left(); !done)
      log->warn("{}", done.error().message);
  }
  if (goes_on_elsewhere)
    return is_left ? exit_left : exit_fine;
  log->info("interface {} is gone", running->interface);
  helper.node_ended();
  if (helper.is_there())
    (*waiting)->wait_for_end(helper);
  tell_lock(interface, *log);
  return (*waiting)->failed() ? exit_failure : exit_fine;
}

} // namespace weft
