#include "tools/weftd/daemon.hpp"

#include "actors/control/server/gateway.hpp"
#include "actors/metrics/start_metrics.hpp"
#include "actors/overlay/config_files.hpp"
#include "actors/overlay/start_overlay.hpp"
#include "platform/accounts.hpp"
#include "platform/clock.hpp"
#include "platform/kept_file.hpp"
#include "platform/leaving.hpp"
#include "platform/privileges.hpp"
#include "platform/processors.hpp"
#include "platform/service_manager.hpp"
#include "platform/thread.hpp"
#include "platform/tun_device.hpp"
#include "tools/exit_codes.hpp"
#include "tools/weft/successor.hpp"
#include "tools/weftd/guardian.hpp"
#include "tools/weftd/lock_lines.hpp"
#include "tools/weftd/logging.hpp"
#include "tools/weftd/network_parts.hpp"
#include "tools/weftd/replacement.hpp"
#include "tools/weftd/stored_node.hpp"
#include "tools/weftd/succession.hpp"
#include "tools/weftd/supervisor.hpp"

#include <algorithm>
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

/// CAF's own and one for each loop.
constexpr std::size_t least_threads = 9;

/// What `interface.cores: auto` comes to at the most: one core reads, joins and
/// writes for all, and has no work for more.
constexpr std::size_t most_automatic_cores = 4;

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

/// A step in the life of a daemon: or the exit code, where it ends with that.
using step = tl::expected<void, int>;

/// The process of a node, from its start to its end: the steps in their order.
class node_process {
public:
  explicit node_process(daemon_options options)
    : options_(std::move(options)), control_(options_.config.control),
      peers_(options_.config.peers.size()),
      watches_file_(options_.config.reload == reload_mode::watch) {
  }

  /// Rights and limits, helpers, and the log.
  step prepare();
  /// What another process of this node leaves.
  step take_over();
  step start_node();
  /// Before anybody can see that the node works: it may be asked for its place
  /// then.
  void meet_successors();
  /// What steers it, reads it, and connects it with its network.
  step start_services();
  /// Who comes to take this node's place, and changes of the file.
  void watch();
  void tell_ready(background* parent);
  /// Until its end.  The exit code.
  int run();

private:
  /// Ends the node with what has been started.
  step give_up();
  /// Somebody has come.  Whether it has this node's place now.
  bool give_place();
  /// Whether what ends with this process would be missing in the next one.
  bool is_bound() const {
    return helper_.is_there() || issuer_.is_there();
  }
  /// Whether nobody has to be waited for once another process has its place.
  bool ends_at_once() const {
    return !network_.directory && !network_.membership;
  }
  /// Nobody can steer the node then, or read its metrics.
  void end_services();
  /// Another process has this one's place, or will have it.
  int end_for_successor(int code);
  int end();
  /// They have all ended, and what outlives them is written.
  void await_actors();

  daemon_options options_; ///< the configuration becomes the overlay's
  control_config control_;
  std::size_t peers_;
  bool watches_file_;
  std::optional<metrics_options> metrics_;
  node_config network_part_;
  std::string rest_; ///< of the file, for the next process of a service

  std::unique_ptr<supervisor> waiting_;
  guardian helper_;
  issuer_companion issuer_;
  std::shared_ptr<spdlog::logger> log_;
  actor_config config_;
  std::optional<caf::actor_system> system_;
  overlay_options overlay_; ///< until it starts
  std::string interface_;
  bool goes_on_ = false; ///< with what another process has left
  /// Until that one serves its places no more.
  std::function<void()> await_former_;
  std::shared_ptr<kept_file> kept_;
  running_overlay running_;
  gateway_actor steering_; ///< its end is that of remote control
  metrics_actor served_;
  network_parts network_;
  std::unique_ptr<place_giver> giver_;
};

step node_process::prepare() {
  // A log that nobody reads any more is no reason to end.
  std::ignore = std::signal(SIGPIPE, SIG_IGN);
  auto waiting = supervisor::create();
  protect_memory(); // again, if this is a child in the background
  prepare_descriptors();
  if (const auto why = why_not_replacing(options_); !why.empty()) {
    std::cerr << "weftd: --replace: " << why << '\n';
    return tl::unexpected{exit_mistaken};
  }
  std::vector<std::string> notes;
  if (options_.needs_guardian)
    helper_ = guardian::start(options_.config, options_.file, notes);
  issuer_ = issuer_companion::start(options_.config, options_.user, notes);
  // Privileges are a thread's: no other has started yet, not even the log's.
  const auto reduced = reduce_privileges(privileges_for(options_));
  // The log has a thread, too.
  if (const auto enough
      = check_threads(least_threads + network_threads(options_.config));
      !enough) {
    std::cerr << "weftd: " << enough.error().message << '\n';
    return tl::unexpected{exit_failure};
  }
  log_ = make_logger(options_.config.log);
  if (!waiting || !reduced) {
    log_->critical("{}", (waiting ? reduced.error() : waiting.error()).message);
    return tl::unexpected{exit_failure};
  }
  waiting_ = std::move(*waiting);
  notes.insert(notes.begin(), reduced->begin(), reduced->end());
  for (const auto& note : notes)
    log_->warn("{}", note);
  system_.emplace(config_);
  return {};
}

step node_process::take_over() {
  metrics_ = metrics_of(options_.config, log_);
  network_part_ = network_part_of(options_.config);
  rest_ = rest_of_file(options_.config);
  overlay_.config = std::move(options_.config);
  overlay_.configure_link = options_.configure_link;
  overlay_.cores = std::min(usable_processors(), most_automatic_cores);
  overlay_.log = log_;
  overlay_.ask_helper = way_to_helper(helper_, options_.helper_file, log_);
  interface_ = overlay_.config.interface.name;
  if (options_.replaces) {
    constexpr auto nothing_asked
      = "--replace: nothing was asked of the other process, which goes on "
        "itself: {}";
    if (const auto fine
        = check_place(network_part_, peers_, metrics_.has_value());
        !fine) {
      log_->critical(nothing_asked, fine.error().message);
      return tl::unexpected{exit_failure};
    }
    if (const auto ready = prepare_to_import(*system_, overlay_); !ready) {
      log_->critical(nothing_asked, ready.error().message);
      return tl::unexpected{exit_failure};
    }
    const auto& folder = control_.socket_folder;
    const auto socket = is_started_as_successor()
                          ? upgrade_socket(folder, interface_)
                          : replacement_socket(folder, interface_);
    auto left = take_place(socket, interface_,
                           [this](const inherited_overlay& offered) {
                             return check_inherited(overlay_, offered);
                           });
    if (!left) {
      log_->critical("{}", left.error().message);
      return tl::unexpected{exit_failure};
    }
    if (!left->unreadable.empty())
      log_->warn("what the node of {} leaves cannot be gone on with ({}): its "
                 "device stays, sessions begin anew, and what was changed by "
                 "command is gone",
                 interface_, left->unreadable);
    overlay_.inherited = std::move(left->left); // nobody else has it any more
  } else {
    overlay_.inherited = take_stored_node(
      std::move(options_.passed), overlay_.config.interface,
      [this](const inherited_overlay& offered) {
        return check_inherited(overlay_, offered);
      },
      *log_);
  }
  goes_on_ = overlay_.inherited.has_value();
  if (options_.only_goes_on && !(goes_on_ && overlay_.inherited->state)) {
    log_->critical("{} has mistakes, and there is no node to go on with",
                   options_.file);
    return tl::unexpected{exit_mistaken};
  }
  if (goes_on_)
    await_former_ = overlay_.inherited->await_end;
  return {};
}

step node_process::start_node() {
  if (!options_.file.empty()) {
    overlay_.read_config
      = [file = options_.file, log = log_] { return read_again(file, *log); };
    overlay_.file = std::filesystem::absolute(options_.file).string();
    overlay_.file_digest = options_.file_digest;
    kept_ = recall(options_.state_folder, interface_, await_former_,
                   overlay_.state, *log_);
    // With its place goes what the node before has made for the tunnel.  Where
    // the name is another's, start_overlay() says so: tables are its own, too.
    if (goes_on_ && overlay_.inherited->state)
      overlay_.keep_lock = tell_lock(interface_, *log_);
    else if (goes_on_ || !tun_device::is_taken(interface_))
      overlay_.keep_lock = find_lock(overlay_.config.interface, *log_);
  }
  const bool locks
    = overlay_.config.interface.kill_switch && !overlay_.keep_lock;
  auto running = start_overlay(*system_, std::move(overlay_));
  if (!running) {
    log_->critical("{}", running.error().message);
    tell_lock(interface_, *log_);
    return tl::unexpected{exit_failure};
  }
  running_ = std::move(*running);
  if (locks)
    tell_new_lock(interface_, *log_);
  waiting_->watch(running_.actor);
  if (await_former_)
    await_former_();
  return {};
}

step node_process::start_services() {
  auto gateway
    = start_gateway(*system_, running_.actor,
                    control_of(control_, running_.interface,
                               state_folder_of(options_.state_folder), log_));
  // The drop-in promises wg(8)'s socket alone; and who ends now, with the
  // sessions of another, ends them.
  if (!gateway && !options_.file.empty() && !goes_on_) {
    log_->critical("{}", gateway.error().message);
    return give_up();
  }
  if (gateway) {
    steering_ = std::move(*gateway);
    steering_->attach_functor([log = log_](const caf::error& reason) {
      if (reason != caf::exit_reason::user_shutdown)
        log->critical("control: the gateway failed: nobody can steer this node "
                      "until weftd is restarted");
    });
  } else {
    log_->warn("{}: nobody can steer this node", gateway.error().message);
  }
  if (metrics_) {
    auto started
      = start_metrics(*system_, running_.actor, std::move(*metrics_));
    if (started)
      served_ = std::move(*started);
    else
      log_->error("metrics: nobody can read them until weftd is restarted: {}",
                  started.error().message);
  }
  auto network = start_network(*system_, network_part_, running_, log_);
  if (network) {
    network_ = std::move(*network);
    return {};
  }
  log_->critical("network: {}", network.error().message);
  return goes_on_ ? step{} : give_up(); // peers stay as they are
}

step node_process::give_up() {
  caf::anon_send(running_.actor, shut_down{});
  waiting_->wait_for_end(*log_);
  return tl::unexpected{exit_failure};
}

void node_process::meet_successors() {
  if (is_bound() || !may_have_successor(options_))
    return;
  if (auto giver = open_place(options_, control_.socket_folder, interface_))
    giver_ = std::move(*giver);
  else
    log_->warn("nobody can take this node's place: {}", giver.error().message);
}

bool node_process::give_place() {
  const auto let_go = [this] {
    if (kept_)
      kept_->pass_on();
  };
  const auto give = [this, let_go](file_descriptor connection) {
    return export_overlay(*system_, running_.actor, std::move(connection),
                          let_go, ends_at_once());
  };
  return giver_->serve(give, *log_);
}

void node_process::watch() {
  if (giver_) {
    const auto watched = waiting_->watch_successors(
      giver_->descriptor(), [this] { return give_place(); });
    if (!watched)
      log_->warn("{}", watched.error().message);
  }
  if (!watches_file_)
    return;
  if (auto watched = waiting_->watch_file(options_.file); !watched)
    log_->warn("{}", watched.error().message);
}

void node_process::tell_ready(background* parent) {
  if (goes_on_) {
    log_->info("interface {} goes on in this process, UDP port {}",
               running_.interface, running_.port);
    if (!options_.file.empty())
      caf::anon_send(running_.actor, reload_config{false, true});
  } else {
    log_->info("interface {} is up, UDP port {}, peers: {}", running_.interface,
               running_.port, peers_);
  }
  tell_failures_no_longer();
  notify_service_manager("READY=1");
  helper_.node_works();
  if (parent != nullptr) {
    log_->flush(); // standard error may be gone afterwards
    parent->ready();
  }
}

int node_process::run() {
  const auto reload = [this](bool if_changed) {
    // The overlay logs what comes of it.
    caf::anon_send(running_.actor, reload_config{false, if_changed});
  };
  bool is_left = false; // to the next process of the service
  if (const auto signal = waiting_->wait(reload);
      signal.number != 0 && !waiting_->is_succeeded()) {
    log_->info("shutting down on {}",
               signal.number == SIGINT ? "SIGINT" : "SIGTERM");
    notify_service_manager("STOPPING=1");
    is_left = signal.value == leave_to_successor && is_service() && !is_bound()
              && !options_.file.empty()
              && leave_node(*system_, running_.actor,
                            {rest_, [this] { end_services(); }, ends_at_once()},
                            *log_);
    if (!is_left)
      caf::anon_send(running_.actor, shut_down{});
    waiting_->wait_for_end(*log_);
  }
  // A unit whose successor has ended by now has failed, and is started again.
  int code = giver_ && giver_->successor_has_ended() ? exit_failure : exit_fine;
  if (is_left)
    code = exit_left;
  return is_left || waiting_->is_succeeded() ? end_for_successor(code) : end();
}

void node_process::end_services() {
  // The node ends all the same.
  static constexpr std::chrono::seconds patience{5};
  caf::scoped_actor self{*system_};
  const auto end = [&self](auto& served) {
    if (!served)
      return;
    self->monitor(served);
    self->send(served, shut_down{});
    self->receive([](const caf::down_msg&) {}, caf::after(patience) >> [] {});
    served = nullptr;
  };
  end(steering_);
  end(served_);
}

int node_process::end_for_successor(int code) {
  log_->info("interface {} goes on in another process", running_.interface);
  if (ends_at_once()) {
    // The other one waits for what this one serves, or for its end, and
    // thousands of peers, who have nothing to do any more, would take long to
    // end one by one.
    log_->flush();
    std::_Exit(code);
  }
  await_actors();
  return code;
}

int node_process::end() {
  await_actors();
  log_->info("interface {} is gone", running_.interface);
  helper_.node_ended();
  if (helper_.is_there())
    waiting_->wait_for_end(helper_);
  tell_lock(interface_, *log_);
  return waiting_->failed() ? exit_failure : exit_fine;
}

void node_process::await_actors() {
  network_ = {};
  running_.actor = nullptr;
  system_->await_all_actors_done();
  if (!kept_)
    return;
  if (const auto done = kept_->write_left(); !done)
    log_->warn("{}", done.error().message);
}

} // namespace

int run_daemon(daemon_options options, background* parent) {
  node_process process(std::move(options));
  const auto started = process.prepare()
                         .and_then([&] { return process.take_over(); })
                         .and_then([&] { return process.start_node(); })
                         .map([&] { process.meet_successors(); })
                         .and_then([&] { return process.start_services(); });
  if (!started)
    return started.error();
  process.watch();
  process.tell_ready(parent);
  return process.run();
}

} // namespace weft
