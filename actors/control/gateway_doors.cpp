// How the gateway's sockets are opened, and who is let through to them.
#include "actors/control/gateway.hpp"
#include "platform/accounts.hpp"
#include "platform/clock.hpp"

#include <cerrno>

namespace weft {

namespace {

constexpr mode_t socket_mode = 0660;

result<void>
open_local(const gateway_options& options, gateway::resources& opened) {
  if (options.socket_path.empty())
    return {};
  if (!options.socket_group.empty()) {
    const auto group = find_group(options.socket_group);
    if (!group)
      return tl::unexpected(group.error());
    opened.group = *group;
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

result<void> open_remote(const tls_access& access, gateway::resources& opened) {
  auto context = tls_context::server(access.files);
  if (!context)
    return tl::unexpected(context.error());
  opened.tls.emplace(std::move(*context));
  for (const auto& where : access.listen) {
    auto made = tcp_listener::open(where);
    if (!made)
      return tl::unexpected(made.error());
    opened.remote.push_back(std::move(*made));
  }
  return {};
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
  if (options.tls) {
    if (auto done = open_remote(*options.tls, *opened); !done)
      return tl::unexpected(done.error());
  }
  auto loop = io_loop::start(system, "weft-gateway");
  if (!loop)
    return tl::unexpected(loop.error());
  return gateway_actor{system.spawn<gateway>(
    *loop, std::move(overlay), std::move(options), std::move(opened))};
}

void gateway::open_doors() {
  const auto open = [this](int descriptor, std::function<bool()> accept) {
    listener::owner told;
    told.accept = [this, accept = std::move(accept)] {
      enter_loop_context();
      return accept();
    };
    told.rests = [this](time_point until) { alarm_.set(until); };
    told.failed = [this] { fail(); };
    doors_.push_back(
      std::make_unique<listener>(loop(), descriptor, std::move(told)));
  };
  if (opened_->local) {
    open(opened_->local->descriptor(), [this] {
      auto connection = opened_->local->accept();
      if (!connection)
        return false;
      accept_locally(std::move(connection));
      return true;
    });
  }
  for (auto& remote : opened_->remote) {
    open(remote.descriptor(), [this, &remote] {
      auto connection = remote.accept();
      if (!connection.fd)
        return false;
      accept_remotely(std::move(connection));
      return true;
    });
  }
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
  check_certificates(boot_now());
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
    boot_now() + options_.limits.greeting, options_.limits.frames);
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
