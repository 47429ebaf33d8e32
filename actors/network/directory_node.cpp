#include "actors/network/directory_node.hpp"

#include "actors/network/configured_store.hpp"
#include "messages/errors.hpp"

#include <utility>

namespace weft {

namespace {

/// Of the overlay's status.
constexpr std::chrono::seconds overlay_patience{5};
/// Between looks at signed times.
constexpr std::chrono::seconds floor_interval{60};

directory::settings settings_of(const directory_identity& identity,
                                const directory_options& options) {
  directory::settings result;
  result.root = identity.network();
  if (!options.config.issuer.empty())
    result.issuer = identity.issuer_name();
  result.most_connections = options.limits.members;
  return result;
}

/// So far no time goes on from one signed list to the next.
constexpr std::chrono::hours leap{30 * 24};
/// Before a certificate ends, and between two lines about it.
constexpr std::chrono::hours end_notice{30 * 24};
constexpr std::chrono::hours end_reminder{24};

network_time seconds_of(wall_time when) {
  return std::chrono::floor<std::chrono::seconds>(when);
}

} // namespace

std::string directory_socket_path(const std::string& control_folder,
                                  const std::string& network) {
  return control_folder + '/' + network + ".directory";
}

result<directory_actor>
start_directory(caf::actor_system& system, directory_options options) {
  if (!options.log)
    options.log = std::make_shared<spdlog::logger>("weft");
  auto identity = load_directory_identity(options);
  if (!identity)
    return tl::unexpected(std::move(identity.error()));
  auto loop = io_loop::start(system, "weft-directory", options.sources);
  if (!loop)
    return tl::unexpected(std::move(loop.error()));
  auto read = std::make_shared<directory_node::resources>();
  read->identity = std::move(*identity);
  return caf::actor_cast<directory_actor>(
    system.spawn<directory_node>(*loop, std::move(options), std::move(read)));
}

directory_node::directory_node(caf::actor_config& config, io_loop_ptr loop,
                               directory_options options,
                               std::shared_ptr<resources> read)
  : hosted(config, std::move(loop)), options_(std::move(options)),
    read_(std::move(read)),
    core_(settings_of(read_->identity, options_),
          judge_of(read_->identity.root, [this] { return now_of_network(); }),
          this->loop().random()),
    bounds_(options_.limits), alarm_(this->loop(), [this] {
      enter_loop_context();
      try {
        check();
      } catch (...) {
        fail();
      }
    }) {
  floor_.raise(read_->identity.own.from);
}

directory_node::~directory_node() = default;

directory_node::behavior_type directory_node::make_behavior() {
  set_down_handler(
    [this](const caf::down_msg&) { quit(caf::exit_reason::user_shutdown); });
  watch_overlay();
  start_store();
  start_issuer();
  open_listener();
  open_steering();
  check();
  return {
    [this](const shut_down&) { quit(caf::exit_reason::user_shutdown); },
    [this](const steering_question& question) {
      auto promise = make_response_promise<steering_answer>();
      steer(question, [promise](steering_answer answer) mutable {
        promise.deliver(std::move(answer));
      });
      return promise;
    },
    [this](store_report& report) { take_report(report); },
    [this](const event_batch& batch) {
      for (const auto& event : batch.events) {
        if (event.kind == event_kind::events_lost)
          watch_overlay();
        else if (event.kind == event_kind::peer_removed)
          sightings_.erase(event.peer);
        else if (event.kind == event_kind::handshake_completed
                 && event.endpoint)
          sighted(event.peer, *event.endpoint);
      }
      carry_out();
    },
  };
}

void directory_node::on_exit() {
  alarm_.stop();
  listener_.reset();
  tcp_.reset();
  steering_.reset();
  issuer_.reset();
  connections_.clear();
  buried_.clear();
  store_.reset(); // waits for its threads
  for (auto& [number, reply] : std::exchange(backups_, {}))
    reply(steering_failed{"The directory ends"});
  for (auto& each : std::exchange(recoveries_, {}))
    each.reply(steering_failed{"The directory ends"});
  options_.overlay = nullptr;
  loop().stop();
}

// -- time --------------------------------------------------------------------

network_time directory_node::now_of_network() const {
  return floor_.at(seconds_of(loop().wall()));
}

/// The time of the issuer's newest list is one that has been, unless the
/// issuer's clock is wrong: by a time at which all certificates would have
/// ended nobody is judged.
void directory_node::raise_floor() {
  floor_due_ = loop().now() + floor_interval;
  const auto& identity = read_->identity;
  const auto* content
    = core_.items().find(item_key(item_kind::list, identity.issuer_name()));
  const auto list
    = content != nullptr ? read_list_item(*content) : std::nullopt;
  if (!list || !is_signed_by(identity.issuer.key, *list))
    return;
  const auto read = read_revocation_list(list->content);
  if (!read
      || read->issued > std::min(identity.own.until, identity.issuer.until))
    return;
  const bool is_leap = read->issued > floor_.floor() + leap;
  if (!is_leap || !core_.ends_most(read->issued))
    floor_.raise(read->issued);
}

/// One that was renewed is taken up; one that ends soon is told of.
void directory_node::look_at_certificate() {
  auto read = load_directory_identity(options_);
  if (!read)
    note(certificate_trouble_, read.error().message,
         "looks at its certificate");
  else if (read->tls.chain != read_->identity.tls.chain)
    adopt(std::move(*read));
  else
    note(certificate_trouble_, {}, "looks at its certificate");
  const auto& identity = read_->identity;
  const auto end = std::min(identity.own.until, identity.issuer.until);
  const auto left = end - now_of_network();
  if (left > end_notice || loop().now() < reminds_at_)
    return;
  reminds_at_ = loop().now() + end_reminder;
  const auto days = std::chrono::duration_cast<std::chrono::hours>(left) / 24;
  options_.log->warn(
    "directory: {} {}: renew it, with `weft network renew` where the {} is; "
    "without it no member connects",
    identity.own.until <= identity.issuer.until
      ? "its certificate"
      : "the certificate of its issuer",
    left.count() <= 0 ? "has ended"
                      : "ends in " + std::to_string(days.count()) + " days",
    identity.own.until <= identity.issuer.until ? "issuer" : "root");
}

void directory_node::adopt(directory_identity identity) {
  const auto& now = read_->identity;
  if (identity.root.der != now.root.der || identity.name() != now.name()
      || identity.issuer_name() != now.issuer_name()) {
    note(certificate_trouble_,
         options_.config.certificate
           + " is now of another network, name or issuer: restart weftd",
         "looks at its certificate");
    return;
  }
  auto before = std::exchange(read_->identity, std::move(identity));
  if (make_tls())
    options_.log->info("directory: its certificate was renewed");
  else
    read_->identity = std::move(before);
}

void directory_node::check() {
  const auto now = loop().now();
  buried_.clear();
  if (listener_)
    listener_->check(now);
  if (reopen_at_ && *reopen_at_ <= now) {
    reopen_at_.reset();
    open_listener();
    open_steering();
  }
  if (floor_due_ <= now) {
    raise_floor();
    look_at_certificate();
  }
  if (says_issuer_at_ && *says_issuer_at_ <= now) {
    says_issuer_at_.reset();
    note(issuer_said_, trouble_.issuer, "questions to the issuer");
  }
  compact_store(now);
  check_connections(now);
  answer_recoveries();
  core_.on_time(loop().moment());
  carry_out();
  alarm_.set(floor_due_);
  alarm_.set(*compacts_at_);
  if (says_issuer_at_)
    alarm_.set(*says_issuer_at_);
  if (reopen_at_)
    alarm_.set(*reopen_at_);
}

// -- sightings ---------------------------------------------------------------

/// Handshakes alone say where a peer is: their packets are authentic, and from
/// its very socket.
void directory_node::watch_overlay() {
  if (!options_.overlay)
    return;
  monitor(options_.overlay);
  send(options_.overlay, subscribe{event_subscriber{this}});
  ask_for_peers(0);
}

void directory_node::ask_for_peers(std::uint32_t first) {
  request(options_.overlay, overlay_patience,
          get_status{first, get_status::most})
    .then(
      [this](const device_status& page) {
        for (const auto& peer : page.peers) {
          if (peer.endpoint && peer.last_handshake)
            sighted(peer.public_key, *peer.endpoint);
        }
        if (page.next_peer > 0)
          ask_for_peers(page.next_peer);
        carry_out();
      },
      [](const caf::error&) {}); // handshakes to come tell of them
}

void directory_node::sighted(const public_key& peer, const endpoint& where) {
  auto& known = sightings_[peer];
  if (std::exchange(known, where) == where)
    return;
  const auto found = by_key_.find(peer);
  if (found != by_key_.end())
    core_.seen(found->second.id, where);
}

} // namespace weft
