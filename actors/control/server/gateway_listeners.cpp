// How the gateway's sockets are opened, and who is let through to them.
#include "actors/control/server/gateway.hpp"
#include "platform/accounts.hpp"

#include <cerrno>

namespace weft {

namespace {

constexpr mode_t socket_mode = 0660;

result<void>
open_local(const gateway_options& options, gateway::resources& opened) {
  if (options.socket_path.empty())
    return {};
  if (!options.socket_group.empty()) {
    if (const auto group = find_group(options.socket_group))
      opened.group = *group;
    else
      opened.complaints.push_back(group.error().message
                                  + ". Until weftd is restarted only root can "
                                    "use the control socket");
  }
  unix_listener::options wanted;
  wanted.mode = socket_mode;
  wanted.group = opened.group;
  auto made = unix_listener::open(options.socket_path, wanted);
  if (!made)
    return tl::unexpected(made.error());
  opened.local.emplace(std::move(*made));
  if (opened.group
      && !group_may_enter_folder_of(options.socket_path, *opened.group))
    options.log->warn("control: group {} cannot get to {}: its folder lets "
                      "nobody in; run: chmod 755 FOLDER",
                      options.socket_group, options.socket_path);
  return {};
}

/// All that is needed for access over the network, or why it is closed.
void open_remote(const tls_access& access, gateway::resources& opened) {
  auto context = tls_context::server(access.files);
  if (!context) {
    opened.why_closed = context.error().message;
    return;
  }
  std::vector<tcp_listener> listeners;
  for (const auto& where : access.listen) {
    auto made = tcp_listener::open(where);
    if (!made) {
      opened.why_closed = made.error().message;
      return;
    }
    listeners.push_back(std::move(*made));
  }
  opened.tls.emplace(std::move(*context));
  opened.remote = std::move(listeners);
  opened.why_closed.clear();
}

std::string objection_to(const std::string& user, const std::string& group) {
  const auto who = "user " + user + " is not root";
  if (group.empty())
    return who + ", and no group is configured for the control socket";
  return who + " nor in group " + group;
}

} // namespace

result<gateway_actor>
start_gateway(caf::actor_system& system, overlay_actor overlay,
              gateway_options options) {
  auto opened = std::make_shared<gateway::resources>();
  if (auto done = open_local(options, *opened); !done)
    return tl::unexpected(done.error());
  if (options.tls)
    open_remote(*options.tls, *opened);
  auto loop = io_loop::start(system, "weft-gateway", options.sources);
  if (!loop)
    return tl::unexpected(loop.error());
  return gateway_actor{system.spawn<gateway>(
    *loop, std::move(overlay), std::move(options), std::move(opened))};
}

void gateway::add_listener(int descriptor, std::function<bool()> accept) {
  listener::owner told;
  told.accept = [this, accept = std::move(accept)] {
    enter_loop_context();
    return accept();
  };
  told.rests = [this](time_point until) { alarm_.set(until); };
  told.failed = [this] { fail(); };
  listeners_.push_back(
    std::make_unique<listener>(loop(), descriptor, std::move(told)));
}

void gateway::open_listeners() {
  for (const auto& complaint : opened_->complaints)
    options_.log->critical("control: {}", complaint);
  if (opened_->local) {
    add_listener(opened_->local->descriptor(), [this] {
      auto connection = opened_->local->accept();
      if (!connection)
        return false;
      accept_locally(std::move(connection));
      return true;
    });
  }
  if (!options_.tls)
    return;
  watch_remote_listeners();
  tell_of_remote_listeners();
  tell_of_access();
  const auto now = loop().now();
  reopen_at_ = now + options_.limits.reopen;
  alarm_.set(now + options_.limits.certificates);
}

void gateway::watch_remote_listeners() {
  for (auto& remote : opened_->remote) {
    add_listener(remote.descriptor(), [this, &remote] {
      auto connection = remote.accept();
      if (!connection.fd)
        return false;
      accept_remotely(std::move(connection));
      return true;
    });
  }
}

void gateway::tell_of_remote_listeners() {
  const auto& why = opened_->why_closed;
  if (!why.empty())
    options_.log->critical("control: nobody can come in over the network until "
                           "this is put right: {}",
                           why);
  tell_warnings();
  caf::anon_send(caf::actor_cast<overlay_root_actor>(overlay_),
                 remote_control_changed{why});
}

void gateway::tell_warnings() {
  if (!opened_->tls)
    return;
  for (const auto& warning : opened_->tls->take_warnings())
    options_.log->warn("control: {}", warning);
}

/// What could not be opened may be possible by now.
void gateway::check_remote_listeners(time_point now) {
  if (!options_.tls || opened_->tls || leaving_at_)
    return;
  if (now >= reopen_at_) {
    reopen_at_ = now + options_.limits.reopen;
    const auto before = opened_->why_closed;
    open_remote(*options_.tls, *opened_);
    if (opened_->why_closed.empty()) {
      watch_remote_listeners();
      options_.log->info("control: clients can come in over the network now");
    }
    if (opened_->why_closed != before)
      tell_of_remote_listeners();
  }
  if (!opened_->tls)
    alarm_.set(reopen_at_);
}

void gateway::accept_locally(file_descriptor connection) {
  gateway_client::arrival known;
  known.address = options_.socket_path;
  const auto credentials = credentials_of(connection.get());
  if (!credentials) {
    known.objection = credentials.error().message;
  } else {
    const auto user = credentials->user;
    const auto is_master = user == 0 || user == own_user();
    const auto allowed
      = is_master
        || (opened_->group
            && peer_has_group(connection.get(), *opened_->group));
    // A name would have to be looked up, which may take long.
    const auto number = std::to_string(user);
    const auto name = user == 0 ? "root" : number;
    if (!allowed)
      known.objection = weft::objection_to(name, options_.socket_group);
    known.from = user;
    known.who
      = control_caller{.role = control_role::operate,
                       .name = "user " + name + " (process "
                               + std::to_string(credentials->process) + ')',
                       .address = known.address,
                       .identity = "user " + number,
                       .is_master = is_master};
  }
  add(channel{std::move(connection)}, std::move(known));
}

void gateway::accept_remotely(tcp_listener::connection connection) {
  check_certificates(loop().now());
  auto stream = opened_->tls->accept(std::move(connection.fd));
  if (!stream) {
    options_.log->error("control: {}", stream.error().message);
    return;
  }
  add(channel{std::move(*stream)},
      {to_string(connection.from), connection.from.address});
}

void gateway::add(channel connection, gateway_client::arrival known) {
  make_room(known.from);
  const auto number = ++last_number_;
  auto& client = clients_[number];
  client = std::make_unique<gateway_client>(
    static_cast<host&>(*this), number, std::move(connection), std::move(known),
    loop().now() + options_.limits.hello, options_.limits.frames);
  alarm_.set(client->next_check());
  client->proceed();
}

void gateway::identify(const tls_peer& peer, gateway_client::arrival& known) {
  if (peer.name.empty()) {
    known.objection = "its certificate has no name (CN): who it is could not "
                      "be told";
    return;
  }
  const auto& roles = options_.tls->roles;
  const auto chosen = roles.find(peer.name);
  const auto role
    = chosen != roles.end() ? std::optional(chosen->second) : peer.role;
  const auto name = "certificate " + peer.name;
  if (!role || *role == control_role::node) {
    known.objection = name
                      + " has no role: make one for an operator or a "
                        "viewer, or give it a role in the daemon's "
                        "configuration";
    return;
  }
  known.who = control_caller{
    .role = *role, .name = name, .address = known.address, .identity = name};
}

} // namespace weft
