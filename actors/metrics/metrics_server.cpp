#include "actors/metrics/metrics_server.hpp"

#include "messages/errors.hpp"
#include "platform/accounts.hpp"

#include <cerrno>

namespace weft {

namespace {

constexpr mode_t socket_mode = 0660;

/// For each question to the overlay: more than the answer takes, with all that
/// others have asked before.
constexpr std::chrono::seconds patience{5};

} // namespace

result<metrics_actor>
start_metrics(caf::actor_system& system, overlay_actor overlay,
              metrics_options options) {
  if (const auto loaded = load_microhttpd(); !loaded)
    return tl::unexpected(loaded.error());
  if (!options.log)
    options.log = std::make_shared<spdlog::logger>("weft");
  auto loop = io_loop::start(system, "weft-metrics", options.sources);
  if (!loop)
    return tl::unexpected(loop.error());
  return metrics_actor{system.spawn<metrics_server>(*loop, std::move(overlay),
                                                    std::move(options))};
}

metrics_server::metrics_server(caf::actor_config& config, io_loop_ptr loop,
                               overlay_actor overlay, metrics_options options)
  : hosted(config, std::move(loop)), overlay_(std::move(overlay)),
    options_(std::move(options)), rests_(this->loop(), [this] {
      enter_loop_context();
      for (const auto& each : listeners_)
        each->check(this->loop().now());
    }) {
}

metrics_server::~metrics_server() = default;

metrics_server::behavior_type metrics_server::make_behavior() {
  set_down_handler([this](const caf::down_msg&) { end(); });
  monitor(overlay_);
  begin();
  return {
    [this](const shut_down&) { end(); },
    [this](const metrics_places_request&) {
      metrics_places places;
      if (tcp_)
        places.listen = tcp_->where();
      if (unix_)
        places.socket = unix_->path();
      return places;
    },
  };
}

void metrics_server::begin() {
  http_server::owner told;
  told.asked = [this] { collect(); };
  told.failed = [this] { fail(); };
  auto http
    = http_server::start(loop(), "/metrics", std::move(told),
                         {options_.limits.clients, options_.limits.patience,
                          options_.limits.hesitation});
  if (!http) {
    options_.log->critical("metrics: {}", http.error().message);
    quit();
    return;
  }
  http_ = std::move(*http);
  open_places();
}

void metrics_server::end() {
  quit(caf::exit_reason::user_shutdown);
}

void metrics_server::on_exit() {
  rests_.stop();
  listeners_.clear();
  http_.reset();
  tcp_.reset();
  unix_.reset();
  overlay_ = nullptr;
  loop().stop();
}

// -- places ------------------------------------------------------------------

void metrics_server::complain(const std::string& what) {
  if (what == complaint_)
    return;
  complaint_ = what;
  options_.log->error("metrics: nobody can read them until this is put right: "
                      "{}",
                      what);
}

/// What could not be opened may be possible later on: an address comes with
/// its interface.
void metrics_server::open_places() {
  result<void> tcp;
  result<void> local;
  if (options_.config.listen && !tcp_)
    tcp = open_tcp();
  if (!options_.config.socket.empty() && !unix_)
    local = open_unix();
  if (tcp && local) {
    if (!complaint_.empty())
      options_.log->info("metrics: they can be read now");
    return;
  }
  complain((tcp ? local : tcp).error().message);
  call_at(loop().now() + options_.limits.reopen, [this] { open_places(); });
}

result<void> metrics_server::open_tcp() {
  auto made = tcp_listener::open(*options_.config.listen);
  if (!made)
    return tl::unexpected(made.error());
  tcp_.emplace(std::move(*made));
  add_listener(tcp_->descriptor(), [this] { return tcp_->accept().fd; });
  return {};
}

result<void> metrics_server::open_unix() {
  unix_listener::options wanted;
  wanted.mode = socket_mode;
  if (!options_.socket_group.empty()) {
    const auto group = find_group(options_.socket_group);
    if (!group)
      return tl::unexpected(group.error());
    wanted.group = *group;
  }
  auto made = unix_listener::open(options_.config.socket, wanted);
  if (!made)
    return tl::unexpected(made.error());
  unix_.emplace(std::move(*made));
  add_listener(unix_->descriptor(), [this] { return unix_->accept(); });
  return {};
}

void metrics_server::add_listener(int descriptor,
                                  std::function<file_descriptor()> accept) {
  listener::owner told;
  told.accept = [this, accept = std::move(accept)] {
    if (!http_->has_room())
      return false; // whoever is there has to go first
    enter_loop_context();
    auto connection = accept();
    if (!connection)
      return false;
    http_->add(std::move(connection));
    return true;
  };
  told.rests = [this](time_point until) { rests_.set(until); };
  told.failed = [this] { fail(); };
  listeners_.push_back(
    std::make_unique<listener>(loop(), descriptor, std::move(told)));
}

// -- a scrape ----------------------------------------------------------------

/// Who asks while others wait gets what they get.
void metrics_server::collect() {
  if (std::exchange(under_way_, true))
    return;
  enter_loop_context();
  request(overlay_, patience, get_status{0, 0})
    .then(
      [this](const device_status& device) {
        collected_ = std::make_unique<node_metrics>(device, loop().wall(),
                                                    options_.config.peers);
        ask_for_peers(0);
      },
      [this](const caf::error& reason) { give_up(reason); });
}

void metrics_server::ask_for_peers(std::uint32_t first) {
  request(overlay_, patience, get_status{first, get_status::most})
    .then(
      [this](const device_status& page) {
        collected_->add_peers(page, loop().wall());
        if (page.next_peer > 0)
          ask_for_peers(page.next_peer);
        else
          finish();
      },
      [this](const caf::error& reason) { give_up(reason); });
}

void metrics_server::finish() {
  under_way_ = false;
  http_->answer({200, std::string{exposition::content_type},
                 std::exchange(collected_, nullptr)->finish()});
}

void metrics_server::give_up(const caf::error& reason) {
  under_way_ = false;
  collected_.reset();
  constexpr unsigned unavailable = 503;
  http_->answer({unavailable, "text/plain; charset=utf-8",
                 "The node gives no status: " + error_message(reason) + '\n'});
}

} // namespace weft
