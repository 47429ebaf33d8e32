// Incoming datagrams, step by step:
//  1. the kernel tells those of peers from those of strangers, which go to
//     stranger_port (divide());
//  2. receive as many as are there; the kernel has joined those of one size;
//  3. chain the transport messages of each peer, whom the receiver index names
//     (datagram_sorter);
//  4. send each peer its chain, and the gate the handshake messages that came
//     joined with others.
// Outgoing ones are sent as they come (send_queues).
#include "actors/packets/udp_port.hpp"

#include "messages/errors.hpp"
#include "platform/hand_over.hpp"

#include <algorithm>
#include <cerrno>

namespace weft {

using namespace std::chrono_literals;

namespace {

/// How many messages the next call takes at the most.  Few when they are full
/// ones, so that what was received is still in the cache when it is opened;
/// else twice as many as came, for each of them would take 64 KiB of the batch
/// if full ones came.
std::size_t next_messages(const std::vector<received_datagrams>& received) {
  constexpr std::size_t few = 4;
  constexpr std::size_t least = 8;
  std::size_t bytes = 0;
  for (const auto& one : received)
    bytes += one.bytes.size();
  if (bytes > std::size_t{128} * 1024)
    return few;
  return std::clamp(2 * received.size(), least,
                    std::size_t{udp_socket::max_messages});
}

} // namespace

udp_port::udp_port(caf::actor_config& config, io_loop_ptr loop,
                   workspace_ptr space, udp_sockets sockets, endpoint listen,
                   std::uint32_t fwmark, const udp_features& features,
                   std::shared_ptr<udp_sockets> strangers,
                   const std::optional<std::vector<endpoint>>& known)
  : hosted(config, std::move(loop)), space_(std::move(space)), listen_(listen),
    fwmark_(fwmark), features_(features),
    pool_(std::make_shared<incoming_pool>(space_->desk ? shared_pool_size
                                                       : pool_size)),
    frozen_(known.has_value()),
    errors_({[this](const endpoint& where) { return known_.contains(where); },
             [this](const path_too_narrow& said) { tell_too_big(said); }}),
    queues_(
      this->loop(), send_drops_, errors_, [this] { watch(); },
      [this] { fail(); }) {
  v4_.port = this;
  v6_.port = this;
  sorter_.drops().watched_by(&drop_lines_);
  send_drops_.watched_by(&drop_lines_);
  if (known) {
    for (const auto& where : *known)
      known_.add(where, this->loop().now());
  }
  use(std::move(sockets), std::move(strangers));
}

udp_port::behavior_type udp_port::make_behavior() {
  pool_->on_available([self = caf::actor_cast<udp_port_actor>(this)] {
    caf::anon_send(self, batch_available{});
  });
  note_mark(fwmark_);
  choose_answering();
  watch();
  return {
    [this](outgoing_datagrams& datagrams) { send_datagrams(datagrams); },
    [this](const send_cookie_replies& wanted) { reply_cookies(wanted); },
    [this](const handshakes_processed& count) { sorter_.processed(count); },
    [this](routes_changed& changed) -> caf::result<void> {
      sorter_.set_routes(changed.snapshot);
      errors_.set_routes(changed.snapshot);
      if (!stranger_port_)
        return caf::unit;
      return delegate(stranger_port_, std::move(changed)); // answers for both
    },
    [this](const finish_sending&) -> caf::result<void> {
      queues_.finish(); // all others were sent as they came
      return caf::unit;
    },
    [this](const gate_started& started) {
      sorter_.set_gate(started.gate,
                       caf::actor_cast<handshake_source_actor>(this));
    },
    [this](const strangers_welcome& welcome) {
      stranger_port_ = welcome.port;
      choose_answering();
      send(stranger_port_, routes_changed{sorter_.routes()});
      if (strangers_)
        send(stranger_port_, stranger_sockets{std::move(strangers_)});
    },
    [this](const batch_available&) {
      starved_ = false;
      watch();
    },
    [this](const rebind& request) { return bind_again(request); },
    [this](const use_features& wanted) { use(wanted.features); },
    [this](const path_too_narrow& said) { tell_too_big(said); },
    [this](relieve& wanted) { relief_ = std::move(wanted.by); },
    [this](const freeze& asked) { return stand_still(asked); },
    [this](const thaw&) {
      frozen_ = false;
      watch();
    },
    [this](const report_request&) { return report(); },
  };
}

drop_report udp_port::report() const {
  auto report = drop_report{sorter_.drops(), use_of(*pool_, "incoming"),
                            queues_.waiting_in_all()};
  report.drops.add(send_drops_);
  for (const auto* family : {&v4_, &v6_}) {
    if (!family->socket)
      continue;
    report.drops.dropped(drop_reason::oversized, family->socket->truncated());
    report.lost += family->socket->lost();
  }
  report.offloads = {use_of_gso(), use_of_gro()};
  if (space_->desk) {
    report.cores = space_->desk->use();
    report.cores->is_shared
      = report.cores->is_shared || (relief_ && relief_->is_on());
  }
  return report;
}

/// All sockets of the port are alike, but for what the links say that they
/// send by.
offload_use udp_port::use_of_gso() const {
  offload_use gso{"udp send", false, {}};
  for (const auto* family : {&v4_, &v6_}) {
    const auto& socket = family->socket;
    if (!socket || !features_.gso)
      continue;
    gso.in_use = gso.in_use || socket->has_gso();
    if (socket->gso_was_refused())
      gso.reason = "an outgoing link computes no checksums";
    else if (!socket->has_gso())
      gso.reason = "this kernel has none: Linux 4.18 has";
  }
  if (gso.in_use)
    gso.reason.clear();
  return gso;
}

offload_use udp_port::use_of_gro() const {
  offload_use gro{"udp receive", false, {}};
  for (const auto* family : {&v4_, &v6_})
    gro.in_use = gro.in_use || (family->socket && family->socket->has_gro());
  if (features_.gro && !gro.in_use)
    gro.reason = "this kernel has none: Linux 5.0 has";
  return gro;
}

void udp_port::use(const udp_features& features) {
  features_ = features;
  for (auto* family : {&v4_, &v6_}) {
    if (family->socket)
      family->socket->use(features);
  }
  queues_.use(features);
  if (strangers_) { // nobody has taken them over yet
    for (auto* socket : {&strangers_->v4, &strangers_->v6}) {
      if (*socket)
        (*socket)->use(features);
    }
  }
  if (stranger_port_)
    send(stranger_port_, use_features{features});
}

void udp_port::tell_too_big(const path_too_narrow& said) {
  if (const auto peer = known_.peer_at(said.where))
    caf::anon_send(peer, said);
}

void udp_port::on_exit() {
  close();
  pool_->on_available(nullptr);
  sorter_.clear();
  errors_.clear();
  relief_.reset();
  stranger_port_ = nullptr;
  strangers_.reset();
}

// -- the sockets -------------------------------------------------------------

void udp_port::use(udp_sockets sockets,
                   std::shared_ptr<udp_sockets> strangers) {
  listen_.port = sockets.port();
  v4_.socket = std::move(sockets.v4);
  v6_.socket = std::move(sockets.v6);
  v4_.too_many = v6_.too_many = udp_socket::max_known + 1;
  divided_ = strangers != nullptr;
  const auto address_of
    = [](auto& socket) { return socket ? &*socket : nullptr; };
  queues_.use(address_of(v4_.socket), address_of(v6_.socket), divided_);
  strangers_ = std::move(strangers);
  if (stranger_port_ && strangers_)
    send(stranger_port_, stranger_sockets{std::move(strangers_)});
  last_division_.reset();
  if (divided_)
    divide();
}

void udp_port::close() {
  queues_.close();
  for (auto* family : {&v4_, &v6_}) {
    if (!family->socket)
      continue;
    sorter_.drops().dropped(drop_reason::oversized,
                            family->socket->truncated());
    loop().forget(family->socket->descriptor());
    family->socket.reset();
  }
  strangers_.reset();
}

void udp_port::watch() {
  for (auto* family : {&v4_, &v6_}) {
    if (!family->socket)
      continue;
    const auto reads = !starved_ && !frozen_;
    auto wanted = reads ? interest::read : interest::none;
    if (queues_.waits_for(*family->socket))
      wanted = reads ? interest::both : interest::write;
    std::ignore = loop().watch(family->socket->descriptor(), wanted, family);
  }
}

/// Each pass gives its peers all that it has received.
caf::result<void> udp_port::stand_still(const freeze& asked) {
  auto& into = *asked.into;
  const auto left = leave_duplicate(into, "udp4", v4_.socket).and_then([&] {
    return leave_duplicate(into, "udp6", v6_.socket);
  });
  if (!left)
    return make_error(left.error().code, left.error().message);
  frozen_ = true;
  watch();
  return caf::unit;
}

void udp_port::family_handler::ready(bool readable, bool writable) {
  port->enter_loop_context();
  if (writable && socket)
    port->queues_.go_on(*socket);
  if (readable && socket && !port->starved_ && !port->frozen_)
    port->receive_from(*socket);
}

void udp_port::receive_from(udp_socket& socket) {
  if (space_->desk)
    space_->desk->look_around(loop().now());
  look_at_load();
  // Before peers lose what would leave nothing to others, or all have to wait,
  // what they wait for is done here, or has a little time; then it looks again.
  if (space_->desk && pool_->left() <= cipher_desk::left_for_others) {
    if (space_->desk->help() || wait_for_workers())
      return;
  } else {
    scarce_since_.reset();
  }
  auto batch = pool_->acquire();
  if (!batch) {
    starved_ = true;
    watch();
    return;
  }
  received_.clear();
  std::ignore = socket.receive(batch->memory(), messages_, received_);
  if (socket.may_have_errors())
    errors_.read(socket, loop().now());
  messages_ = next_messages(received_);
  sorter_.sort(received_, std::move(batch));
}

/// The kernel keeps what comes meanwhile, also for those peers who wait for
/// nobody: not for long, therefore.
bool udp_port::wait_for_workers() {
  constexpr auto until_next_look = 100us;
  if (space_->desk->under_way() == 0)
    return false;
  const auto now = loop().now();
  if (!scarce_since_)
    scarce_since_ = now;
  if (now - *scarce_since_ >= longest_wait)
    return false;
  starved_ = true;
  watch();
  call_at(now + until_next_look, [this] {
    starved_ = false;
    watch();
  });
  return true;
}

void udp_port::look_at_load() {
  if (!relief_)
    return;
  relief_->look_around(loop().now());
  if (!relief_->is_on() || next_look_)
    return;
  // Others read now, and it would not hear of it if nothing came any more.
  next_look_ = call_at(loop().now() + device_relief::look_again, [this] {
    next_look_ = {};
    space_->desk->look_around(loop().now());
    look_at_load();
  });
}

/// What strangers are sent does not leave by the sockets of packets, unless
/// there are no others.
void udp_port::choose_answering() {
  if (divided_ && stranger_port_)
    sorter_.answer_by(stranger_port_);
  else
    sorter_.answer_by(caf::actor_cast<udp_port_actor>(this));
}

// -- outgoing ----------------------------------------------------------------

void udp_port::send_datagrams(outgoing_datagrams& datagrams) {
  look_at_load();
  const auto& remote = datagrams.path.remote;
  if (last_remote_ != remote || last_peer_ != datagrams.peer) {
    last_remote_ = remote;
    last_peer_ = datagrams.peer.address();
    const bool changed = known_.add(remote, loop().now(), datagrams.peer);
    known_changed_ = known_changed_ || (divided_ && changed);
  }
  // Before it is sent, so that the answer comes to this port.
  if (known_changed_)
    divide();
  queues_.send(datagrams);
}

void udp_port::divide() {
  // Of very many the kernel is told in groups, with the next that is sent.
  constexpr std::size_t many = 64;
  constexpr auto min_interval = 10ms;
  const auto now = loop().now();
  if (known_.size() > many && last_division_
      && now - *last_division_ < min_interval)
    return;
  last_division_ = now;
  known_changed_ = false;
  const auto known = known_.all();
  std::vector<endpoint> of_family;
  for (auto* family : {&v4_, &v6_}) {
    if (!family->socket)
      continue;
    if (!known) {
      std::ignore = family->socket->divide(std::nullopt);
      continue;
    }
    of_family.clear();
    for (const auto& where : *known) {
      if (where.address.is_v4() == (family == &v4_))
        of_family.push_back(where);
    }
    // Where the kernel takes no long program, all transport messages come here.
    if (of_family.size() >= family->too_many)
      continue;
    if (!family->socket->divide(of_family)) {
      family->too_many = of_family.size();
      std::ignore = family->socket->divide(std::nullopt);
    }
  }
}

void udp_port::reply_cookies(const send_cookie_replies& wanted) {
  for (const auto& [message, path] : wanted.replies) {
    auto& family = path.remote.address.is_v4() ? v4_ : v6_;
    const addressed_datagram reply{message, path.remote, path.local};
    if (family.socket)
      family.socket->send({&reply, 1});
  }
}

// -- configuration -----------------------------------------------------------

caf::result<std::uint16_t> udp_port::bind_again(const rebind& request) {
  if (request.listen == listen_) {
    if (auto marked = mark(request.fwmark); !marked)
      return make_error(marked.error().code, marked.error().message);
    return listen_.port;
  }
  auto opened = open_udp_sockets(request.listen, request.fwmark, features_);
  if (opened) {
    auto strangers = open_for_strangers(*opened);
    if (!strangers)
      return make_error(strangers.error().code, strangers.error().message);
    adopt(std::move(*opened), std::move(*strangers), request);
    return listen_.port;
  }
  if (request.listen.port != listen_.port || opened.error().code != EADDRINUSE)
    return make_error(opened.error().code, opened.error().message);
  // Our own sockets are in the way: the same port at another address.
  auto promise
    = make_response_promise<caf::typed_response_promise<std::uint16_t>>();
  auto go_on = [this, promise, request]() mutable {
    if (auto port = take_place(request))
      promise.deliver(*port);
    else
      promise.deliver(make_error(port.error().code, port.error().message));
  };
  close();
  if (stranger_port_)
    this->request(stranger_port_, caf::infinite, close_sockets{})
      .await(go_on, [go_on](const caf::error&) mutable { go_on(); });
  else
    go_on();
  return promise;
}

result<std::uint16_t> udp_port::take_place(const rebind& request) {
  auto opened = open_udp_sockets(request.listen, request.fwmark, features_);
  auto failure = opened ? std::nullopt : std::optional(opened.error());
  if (opened) {
    auto strangers = open_for_strangers(*opened);
    if (strangers) {
      adopt(std::move(*opened), std::move(*strangers), request);
      return listen_.port;
    }
    failure = strangers.error();
    *opened = {}; // the port is free again
  }
  auto former = open_udp_sockets(listen_, fwmark_, features_);
  auto strangers
    = former ? open_for_strangers(*former) : tl::unexpected(former.error());
  if (strangers)
    adopt(std::move(*former), std::move(*strangers), {listen_, fwmark_});
  else
    fail(); // somebody else has the port now
  return tl::unexpected(*failure);
}

/// Null where strangers had none before and cannot have any: an old kernel.
result<std::shared_ptr<udp_sockets>>
udp_port::open_for_strangers(const udp_sockets& opened) {
  if (!divided_ && !stranger_port_)
    return nullptr;
  auto beside = open_stranger_sockets(opened);
  if (beside)
    return std::make_shared<udp_sockets>(std::move(*beside));
  if (divided_)
    return tl::unexpected(beside.error());
  return nullptr;
}

void udp_port::adopt(udp_sockets opened, std::shared_ptr<udp_sockets> strangers,
                     const rebind& request) {
  close();
  listen_ = request.listen;
  note_mark(request.fwmark);
  use(std::move(opened), std::move(strangers));
  choose_answering();
  watch();
}

result<void> udp_port::mark(std::uint32_t wanted) {
  if (strangers_) { // nobody has taken them over yet
    for (auto* socket : {&strangers_->v4, &strangers_->v6}) {
      if (*socket)
        std::ignore = (*socket)->set_fwmark(wanted);
    }
  }
  for (auto* family : {&v4_, &v6_}) {
    if (!family->socket)
      continue;
    if (auto changed = family->socket->set_fwmark(wanted); !changed) {
      if (v4_.socket) // may have been changed already
        std::ignore = v4_.socket->set_fwmark(fwmark_);
      return changed;
    }
  }
  note_mark(wanted);
  queues_.set_fwmark(fwmark_);
  if (stranger_port_)
    send(stranger_port_, change_fwmark{wanted});
  return {};
}

/// The sockets bear it; the routes that it chooses are those of peers, too.
void udp_port::note_mark(std::uint32_t mark) {
  fwmark_ = mark;
  space_->fwmark = mark;
}

} // namespace weft
