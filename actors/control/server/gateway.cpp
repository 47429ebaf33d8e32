#include "actors/control/server/gateway.hpp"

#include "actors/control/wire/frame_filter.hpp"
#include "messages/errors.hpp"

#include <algorithm>
#include <cerrno>

namespace weft {

namespace {

/// Role systems that do not end by then hang; nothing waits for them.
constexpr std::chrono::seconds retirement{3};

/// What supervisors need of the gateway.
role_supervisor::surroundings
surroundings_of(const overlay_actor& overlay, const gateway_options& options,
                const std::shared_ptr<system_reaper>& reaper,
                const std::shared_ptr<const time_source>& clock,
                const caf::weak_actor_ptr& self) {
  return {overlay,
          reaper,
          options.log,
          clock,
          options.limits.roles,
          [self](control_role role, std::uint64_t generation) {
            if (auto gateway = self.lock())
              caf::anon_send(caf::actor_cast<gateway_actor>(gateway),
                             role_alive{role, generation});
          }};
}

std::array<role_supervisor, 2>
make_supervisors(const role_supervisor::surroundings& given) {
  return {role_supervisor{control_role::operate, given},
          role_supervisor{control_role::view, given}};
}

} // namespace

gateway::gateway(caf::actor_config& config, io_loop_ptr loop,
                 overlay_actor overlay, gateway_options options,
                 std::shared_ptr<resources> opened)
  : hosted(config, std::move(loop)), overlay_(std::move(overlay)),
    options_(std::move(options)), opened_(std::move(opened)),
    reaper_(std::make_shared<system_reaper>()),
    supervisors_(make_supervisors(
      surroundings_of(overlay_, options_, reaper_, this->loop().clock(),
                      caf::actor_cast<caf::weak_actor_ptr>(this)))),
    alarm_(this->loop(), [this] {
      enter_loop_context();
      check();
    }) {
}

gateway::~gateway() = default;

gateway::behavior_type gateway::make_behavior() {
  set_down_handler([this](caf::down_msg& down) {
    if (down.source == overlay_) {
      say_farewell();
      return;
    }
    const auto found = by_facade_.find(down.source);
    if (found != by_facade_.end())
      client_ended(found->second, "its facade has ended", relay_end::closed);
  });
  monitor(overlay_);
  open_listeners();
  return {
    [this](const shut_down&) { say_farewell(); },
    [this](const role_alive& sign) {
      supervisor_of(sign.role).is_alive(sign.generation, loop().now());
      check();
    },
    [this](const gateway_report_request&) { return report(); },
  };
}

void gateway::on_exit() {
  alarm_.stop();
  listeners_.clear();
  clients_.clear();
  by_facade_.clear();
  opened_.reset();
  overlay_ = nullptr;
  for (auto& each : supervisors_)
    each.close();
  if (!reaper_->await_all(retirement))
    options_.log->warn("control: an actor system of a role does not end");
  loop().stop();
}

// -- clients -----------------------------------------------------------------

gateway_client::reception
gateway::reply(admission result, int code, std::string text) const {
  gateway_client::reception made;
  made.reply.answer = result;
  made.reply.code = static_cast<std::uint16_t>(code);
  made.reply.interface = options_.interface;
  made.reply.text = std::move(text);
  return made;
}

namespace {

/// Of its coming and going: each local command connects, and so does whatever
/// looks at the node from elsewhere every few seconds.
spdlog::level::level_enum level_for(const gateway_client& client) {
  const bool may_change = client.tls() != nullptr
                          && client.known().who->role == control_role::operate;
  return may_change ? spdlog::level::info : spdlog::level::debug;
}

} // namespace

/// A line of the log, if it has not had too many about this one.
template <class... Args>
void gateway::tell_of(const gateway_client& client,
                      spdlog::level::level_enum level, const char* text,
                      const Args&... args) {
  if (options_.log->should_log(level)
      && account_of(*client.known().who)->lines.allows(loop().now()))
    options_.log->log(level, fmt::runtime(text), args...);
}

gateway_client::reception
gateway::receive(const gateway_client& client, const client_hello& said) {
  if (said.version != control_version)
    return reply(admission::refused, EPROTONOSUPPORT,
                 "it speaks control protocol " + std::to_string(said.version)
                   + ", this daemon speaks " + std::to_string(control_version));
  const auto& known = client.known();
  if (!known.objection.empty() || !known.who)
    return reply(admission::refused, EACCES, known.objection);
  if (leaving_at_)
    return reply(admission::try_later, ESHUTDOWN, "the daemon ends");
  if (const auto why = objection_to(client))
    return reply(admission::refused, EACCES, *why);
  const auto role = known.who->role;
  std::optional<std::uint64_t> instead_of;
  if (!find_place(*known.who, instead_of))
    return reply(admission::try_later, EAGAIN, "too many connections");
  auto system = supervisor_of(role).get(loop().now());
  if (!system)
    return reply(admission::try_later, EAGAIN, system.error().message);
  if (said.node == (*system)->node())
    return reply(admission::try_later, EADDRINUSE,
                 "it has the daemon's own node id");
  auto who = *known.who;
  who.account = account_of(who);
  auto session = (*system)->open(who);
  if (!session)
    return reply(admission::try_later, EAGAIN, session.error().message);
  if (instead_of)
    client_ended(*instead_of, "others want to come in", relay_end::closed);
  supervisor_of(role).client_came();
  monitor(session->facade);
  by_facade_.emplace(session->facade->address(), client.number());
  ++counted_.accepted;
  tell_of(client, level_for(client), "control: {} came in as {} from {}",
          who.name, to_string(role), who.address);
  alarm_.set(loop().now()); // the overlay is told that it is there
  frame_filter::settings rules{role, session->facade->id(), (*system)->node(),
                               who.account};
  gateway_client::reception made;
  made.reply = reply(admission::granted, 0, known.who->name).reply;
  made.reply.role = role;
  made.session = std::move(*session);
  made.policy = std::make_unique<frame_filter>(std::move(rules));
  return made;
}

void gateway::client_ended(std::uint64_t number, const std::string& why,
                           relay_end how) {
  const auto found = clients_.find(number);
  if (found == clients_.end())
    return;
  const auto& client = *found->second;
  const auto now = loop().now();
  const auto& known = client.known();
  const auto name = known.who ? known.who->name : std::string{"somebody"};
  if (how == relay_end::silent)
    ++counted_.silent;
  if (how == relay_end::violation) {
    ++counted_.violations;
    tell_of(client, spdlog::level::warn, "control: {} at {} was cut off: {}",
            name, known.address, why);
  } else if (client.is_inside()) {
    tell_of(client, level_for(client), "control: {} at {} left: {}", name,
            known.address, why);
  } else {
    ++counted_.refused;
    const bool looked = client.has_only_looked();
    if ((looked ? looks_ : refusals_).allows(now))
      options_.log->log(looked ? spdlog::level::debug : spdlog::level::warn,
                        "control: {} at {} did not come in: {}", name,
                        known.address, why);
  }
  if (client.is_inside()) {
    demonitor(client.session().facade->address());
    by_facade_.erase(client.session().facade->address());
    supervisor_of(known.who->role).client_left(now);
  }
  clients_.erase(found);
  alarm_.set(now); // a farewell may be complete, or a role may rest
}

void gateway::cut_off(control_role role, const std::string& why) {
  std::vector<std::uint64_t> those;
  for (const auto& [number, client] : clients_) {
    if (client->is_inside() && client->known().who->role == role)
      those.push_back(number);
  }
  for (const auto number : those)
    client_ended(number, why, relay_end::closed);
}

void gateway::client_worked(const gateway_client& client) {
  alarm_.set(client.next_check());
  if (client.is_proved())
    alarm_.set(certificates_due_); // there was nobody to be looked at so far
  if (leaving_at_ && is_quiet())
    alarm_.set(loop().now());
}

// -- time --------------------------------------------------------------------

void gateway::check() {
  const auto now = loop().now();
  for (const auto& each : listeners_)
    each->check(now);
  check_clients(now);
  check_roles(now);
  check_certificates(now);
  tell_of_lines(now);
  check_remote_listeners(now);
  tell_of_access();
  if (leaving_at_) {
    if (now >= *leaving_at_ || is_quiet()) {
      for (const auto& [number, client] : clients_)
        client->say_goodbye();
      // quit() takes effect with a message only.
      caf::anon_send_exit(address(), caf::exit_reason::user_shutdown);
      return;
    }
    alarm_.set(*leaving_at_);
  }
  for (const auto& [number, client] : clients_)
    alarm_.set(client->next_check());
  for (const auto& each : supervisors_) {
    if (const auto next = each.next_check())
      alarm_.set(*next);
  }
}

void gateway::check_clients(time_point now) {
  std::vector<std::uint64_t> due;
  for (const auto& [number, client] : clients_) {
    if (client->next_check() <= now)
      due.push_back(number);
  }
  for (const auto number : due) {
    if (const auto found = clients_.find(number); found != clients_.end())
      found->second->check(now);
  }
}

void gateway::check_roles(time_point now) {
  for (const auto role : {control_role::operate, control_role::view}) {
    if (supervisor_of(role).check(now) != role_supervisor::health::hung)
      continue;
    cut_off(role, "the actor system of its role hung");
    supervisor_of(role).abandon();
    ++counted_.systems_replaced;
  }
}

void gateway::load_certificates() {
  const auto loaded = opened_->tls->reload_if_changed();
  if (!loaded)
    options_.log->error("control: {}", loaded.error().message);
  else if (*loaded)
    options_.log->info("control: certificates were loaded again");
  tell_warnings();
}

/// Takes changed files over, and parts with those who no longer would come in,
/// or are about to.
void gateway::check_certificates(time_point now) {
  if (!opened_->tls)
    return;
  if (now < certificates_due_) {
    // Whatever woke the gateway took the alarm away; who came in meanwhile is
    // to be looked at.
    alarm_.set(certificates_due_);
    return;
  }
  std::vector<std::pair<std::uint64_t, std::string>> objections;
  load_certificates();
  bool any = opened_->tls->is_behind();
  for (const auto& [number, client] : clients_) {
    if (!client->is_proved())
      continue;
    any = true;
    const auto why = opened_->tls->objection_to(*client->tls(), loop().wall());
    if (why)
      objections.emplace_back(number, *why);
  }
  for (const auto& [number, why] : objections) {
    ++counted_.revoked;
    client_ended(number, why, relay_end::closed);
  }
  certificates_due_ = now + options_.limits.certificates;
  alarm_.set(any ? certificates_due_ : now + options_.limits.idle_certificates);
}

// -- the end -----------------------------------------------------------------

/// Nobody comes in any more; who is there gets the answers that are due.
void gateway::say_farewell() {
  if (leaving_at_)
    return;
  leaving_at_ = loop().now() + options_.limits.farewell;
  listeners_.clear();
  opened_->local.reset();
  opened_->remote.clear();
  alarm_.set(loop().now());
}

void gateway::tell_of_access() {
  access_report present;
  present.operators = supervisors_[0].clients();
  present.viewers = supervisors_[1].clients();
  if (const auto& tls = opened_->tls) {
    const auto add = [&](const char* file, const certificate_info& info) {
      present.certificates.push_back({file, info.name, info.not_after});
    };
    add("certificate", tls->own());
    add("ca", tls->authority());
    present.refused = tls->refused();
  }
  for (const auto& line : reminder_.due(present.certificates, loop().wall()))
    options_.log->warn("control: {}", line);
  if (access_ == present)
    return;
  access_ = present;
  caf::anon_send(caf::actor_cast<overlay_root_actor>(overlay_),
                 access_changed{std::move(present)});
}

bool gateway::is_quiet() const {
  return std::all_of(clients_.begin(), clients_.end(), [](const auto& entry) {
    return entry.second->is_quiet();
  });
}

std::size_t gateway::unknown_clients() const {
  return clients_.size() - supervisors_[0].clients()
         - supervisors_[1].clients();
}

gateway_report gateway::report() const {
  auto made = counted_;
  for (const auto& each : opened_->remote)
    made.remote.push_back(each.where());
  made.operators = supervisors_[0].clients();
  made.viewers = supervisors_[1].clients();
  made.unknown = unknown_clients();
  return made;
}

} // namespace weft
