#include "actors/control/server/role_system.hpp"

#include "actors/control/wire/broker.hpp"
#include "platform/connect.hpp"
#include "platform/epoll.hpp"
#include "platform/thread.hpp"

#include <array>
#include <random>
#include <system_error>
#include <thread>

namespace weft {

namespace {

struct probe_request {
  std::function<void()> alive;
};

} // namespace

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::probe_request)

namespace weft {

namespace {

class role_config final : public caf::actor_system_config {
public:
  role_config() {
    configure(*this);
    load<caf::io::middleman>();
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", std::size_t{1});
    // The relay has the heartbeats, and frames are few.
    set("middleman.heartbeat-interval", caf::timespan{0});
    set("middleman.workers", std::size_t{0});
    set("middleman.attach-utility-actors", true);
  }
};

/// Whoever makes an actor, or an actor system, is left with a reference to
/// CAF's logger of that system, which waits at its end until all are gone.
struct logger_release {
  logger_release() = default;
  logger_release(const logger_release&) = delete;
  logger_release& operator=(const logger_release&) = delete;
  ~logger_release() {
    caf::logger::set_current_actor_system(nullptr);
  }
};

class canary final : public own_scheduler<caf::event_based_actor> {
public:
  using own_scheduler::own_scheduler;
  caf::behavior make_behavior() override {
    return {
      [this](const probe_request& request) {
        system().middleman().run_later(request.alive);
      },
    };
  }
};

/// A worker, its clock, the middleman and a thread for a blocking actor.
constexpr std::size_t threads_of_system = 4;

/// CAF ends the whole process when it gets no descriptors or no threads for an
/// actor system.
result<void> check_room() {
  std::array<std::optional<poller>, 6> pollers; // three descriptors each
  for (auto& one : pollers) {
    auto opened = poller::open();
    if (!opened)
      return tl::unexpected(opened.error());
    one.emplace(std::move(*opened));
  }
  return check_threads(threads_of_system);
}

/// CAF tells nodes of one host and one process number apart by a counter that
/// begins at zero in every process.  Containers that share their network have
/// processes of the same number.
void shuffle_node_ids() {
  static std::once_flag done;
  std::call_once(done, [] {
    std::random_device random;
    const caf::actor_system_config unused;
    for (auto count = random() % 251 + 1; count > 0; --count)
      std::ignore = caf::node_id::default_data::local(unused);
  });
}

} // namespace

bool system_reaper::await_all(std::chrono::milliseconds at_most) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, at_most, [this] { return count_ == 0; });
}

/// In the order of their lifetimes.
struct role_system::parts {
  role_config config;
  caf::actor_system system{config};
};

role_system::role_system(overlay_actor overlay,
                         std::shared_ptr<spdlog::logger> log,
                         std::shared_ptr<const time_source> clock)
  : parts_(std::make_shared<parts>()), overlay_(std::move(overlay)),
    commons_(std::make_shared<facade_commons>()),
    canary_(parts_->system.spawn<canary>()),
    node_(serialized_node(parts_->system)) {
  commons_->log = std::move(log);
  commons_->clock = std::move(clock);
}

result<std::unique_ptr<role_system>>
role_system::start(overlay_actor overlay, std::shared_ptr<spdlog::logger> log,
                   std::shared_ptr<const time_source> clock) {
  if (auto enough = check_room(); !enough)
    return tl::unexpected(enough.error());
  const logger_release release;
  try {
    shuffle_node_ids();
    return std::unique_ptr<role_system>(
      new role_system(std::move(overlay), std::move(log), std::move(clock)));
  } catch (const std::system_error& error) {
    return tl::unexpected(make_system_error(
      error.code().value(), "Cannot start an actor system for clients"));
  } catch (const std::exception& error) {
    return tl::unexpected(
      system_error{0, std::string{"Cannot start an actor system for clients: "}
                        + error.what()});
  }
}

void role_system::retire(std::unique_ptr<role_system> system,
                         const std::shared_ptr<system_reaper>& reaper) {
  caf::anon_send_exit(system->canary_, caf::exit_reason::user_shutdown);
  system->canary_ = nullptr;
  // The thread must be the one that lets go of it last.
  const auto cell
    = std::make_shared<std::shared_ptr<parts>>(std::move(system->parts_));
  {
    const std::lock_guard guard(reaper->mutex_);
    ++reaper->count_;
  }
  try {
    std::thread([cell, reaper] {
      enter_service_thread("weft-retire");
      cell->reset();
      const std::lock_guard guard(reaper->mutex_);
      --reaper->count_;
      reaper->changed_.notify_all();
    }).detach();
  } catch (const std::system_error&) {
    const std::lock_guard guard(reaper->mutex_);
    --reaper->count_;
    reaper->kept_.push_back(std::move(*cell)); // it does nothing any more
  }
}

result<role_system::session> role_system::open(const control_caller& who) {
  auto ends = open_socket_pair();
  if (!ends)
    return tl::unexpected(ends.error());
  const logger_release release;
  session made;
  auto& system = parts_->system;
  made.connection = std::move(ends->first);
  made.facade = system.spawn<facade>(overlay_, who, commons_);
  made.broker = spawn_broker(
    system, std::move(ends->second),
    {.served = caf::actor_cast<caf::strong_actor_ptr>(made.facade),
     .interface = system.message_types<overlay_actor>()});
  return made;
}

void role_system::close(session& ended) {
  ended.connection.reset();
  caf::anon_send_exit(ended.broker, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(ended.facade, caf::exit_reason::user_shutdown);
  ended.broker = nullptr;
  ended.facade = nullptr;
}

void role_system::probe(std::function<void()> alive) {
  caf::anon_send(canary_, probe_request{std::move(alive)});
}

} // namespace weft
