// Incoming datagrams, step by step:
//  1. receive as many as are there; the kernel has joined those of one size;
//  2. tell transport messages from handshake messages;
//  3. chain the transport messages of each peer, whom the receiver index names;
//  4. send each peer its chain, and the gate the handshake messages.
// Outgoing ones are sent as they come; when the socket's buffer is full they
// wait in order.
#include "actors/udp_port.hpp"

#include "messages/errors.hpp"
#include "platform/clock.hpp"

#include <algorithm>
#include <cerrno>

namespace weft {

using namespace std::chrono_literals;

udp_port::udp_port(caf::actor_config& config, io_loop_ptr loop,
                   udp_sockets sockets, endpoint listen, std::uint32_t fwmark,
                   bool offload)
  : hosted(config, std::move(loop)), listen_(listen), fwmark_(fwmark),
    offload_(offload), pool_(std::make_shared<incoming_pool>(pool_size)) {
  v4_.port = this;
  v6_.port = this;
  use(std::move(sockets));
}

void udp_port::use(udp_sockets sockets) {
  listen_.port = sockets.port();
  v4_.socket = std::move(sockets.v4);
  v6_.socket = std::move(sockets.v6);
}

void udp_port::close() {
  count_truncated(drops_);
  for (auto* family : {&v4_, &v6_}) {
    if (family->socket)
      loop().forget(family->socket->descriptor());
    family->socket.reset();
  }
}

udp_port::behavior_type udp_port::make_behavior() {
  pool_->on_available([self = caf::actor_cast<udp_port_actor>(this)] {
    caf::anon_send(self, batch_available{});
  });
  watch();
  return {
    [this](outgoing_datagrams& datagrams) { send_datagrams(datagrams); },
    [this](const send_cookie_reply& reply) { reply_cookie(reply); },
    [this](const handshakes_processed& processed) {
      handshakes_waiting_ -= std::min(handshakes_waiting_, processed.count);
    },
    [this](routes_changed& changed) -> caf::result<void> {
      routes_ = std::move(changed.snapshot);
      last_index_.reset();
      return caf::unit;
    },
    [](const finish_sending&) -> caf::result<void> {
      return caf::unit; // they came before
    },
    [this](const gate_started& started) { gate_ = started.gate; },
    [this](const batch_available&) {
      starved_ = false;
      watch();
    },
    [this](const rebind& request) { return bind_again(request); },
    [this](const change_fwmark& request) { return mark(request); },
    [this](const report_request&) {
      auto report = drop_report{drops_};
      count_truncated(report.drops);
      return report;
    },
  };
}

void udp_port::count_truncated(drop_counters& drops) const {
  for (const auto* family : {&v4_, &v6_}) {
    if (family->socket)
      drops.add(drop_reason::oversized, family->socket->truncated());
  }
}

void udp_port::on_exit() {
  close();
  pool_->on_available(nullptr);
  routes_.reset();
  waiting_.clear();
  gate_ = nullptr;
}

void udp_port::watch() {
  // Only the socket that the first waiting batch is for is asked for room: the
  // other one may always have some.
  const auto* blocked
    = waiting_.empty() ? nullptr : &family_of(waiting_.front().datagrams.path);
  for (auto* family : {&v4_, &v6_}) {
    if (!family->socket)
      continue;
    auto wanted = starved_ ? interest::none : interest::read;
    if (family == blocked)
      wanted = starved_ ? interest::write : interest::both;
    std::ignore = loop().watch(family->socket->descriptor(), wanted, family);
  }
}

void udp_port::family_handler::ready(bool readable, bool writable) {
  port->enter_loop_context();
  if (writable)
    port->send_waiting();
  if (readable && socket && !port->starved_)
    port->receive_from(*socket);
}

// -- incoming ----------------------------------------------------------------

void udp_port::receive_from(udp_socket& socket) {
  auto batch = pool_->acquire();
  if (!batch) {
    starved_ = true;
    watch();
    return;
  }
  received_.clear();
  std::ignore = socket.receive(batch->memory(), messages_, received_);
  std::size_t bytes = 0;
  for (const auto& received : received_) {
    bytes += received.bytes.size();
    sort(received, *batch);
  }
  // Few messages at a time when they are full ones, so that what was received
  // is still in the cache when it is opened.
  messages_ = bytes > std::size_t{128} * 1024
                ? 4
                : std::size_t{udp_socket::max_messages};
  pass_handshakes();
  pass_chains(std::move(batch));
}

void udp_port::sort(const received_datagrams& received, incoming_batch& batch) {
  const auto path = static_cast<std::uint16_t>(batch.paths.size());
  batch.paths.push_back({received.remote, received.local});
  for (std::size_t at = 0; at < received.bytes.size();
       at += received.segment_size) {
    const auto length
      = std::min(received.segment_size, received.bytes.size() - at);
    const auto datagram = received.bytes.subspan(at, length);
    const auto type = wire::classify(datagram);
    if (!type) {
      drops_.add(drop_reason::malformed_message);
    } else if (*type == message_type::transport) {
      sort_transport(datagram, path, batch);
    } else if (handshakes_waiting_ + handshakes_.size()
               >= max_waiting_handshakes) {
      drops_.add(drop_reason::handshake_overload);
    } else {
      auto& message = handshakes_.emplace_back();
      std::copy(datagram.begin(), datagram.end(), message.bytes.begin());
      message.size = static_cast<std::uint8_t>(length);
      message.path = batch.paths[path];
    }
  }
}

void udp_port::sort_transport(byte_span datagram, std::uint16_t path,
                              incoming_batch& batch) {
  const auto index
    = load_le<std::uint32_t>(datagram.data() + wire::transport_receiver);
  if (!routes_ || batch.datagrams.size() == incoming_batch::end) {
    drops_.add(drop_reason::overload);
    return;
  }
  if (!last_index_ || last_index_->first != index)
    last_index_ = {index, routes_->slot_of_index(index)};
  const auto slot = last_index_->second;
  if (last_chain_ >= chains_.size() || chains_[last_chain_].slot != slot) {
    last_chain_ = 0;
    while (last_chain_ < chains_.size() && chains_[last_chain_].slot != slot)
      ++last_chain_;
    if (last_chain_ == chains_.size()) {
      if (routes_->peer(slot) == nullptr) {
        drops_.add(drop_reason::unknown_index);
        report_unknown(batch.paths[path].remote);
        return;
      }
      chains_.push_back({slot});
    }
  }
  const auto number = static_cast<std::uint16_t>(batch.datagrams.size());
  batch.datagrams.push_back({datagram, path});
  auto& chain = chains_[last_chain_];
  if (chain.first == incoming_batch::end)
    chain.first = number;
  else
    batch.datagrams[chain.last].next = number;
  chain.last = number;
}

void udp_port::report_unknown(const endpoint& remote) {
  constexpr auto min_interval = 50ms;
  const auto now = boot_now();
  if (!gate_ || (last_unknown_ && now - *last_unknown_ < min_interval))
    return;
  last_unknown_ = now;
  send(gate_, unknown_session_used{remote});
}

void udp_port::pass_handshakes() {
  if (handshakes_.empty())
    return;
  if (gate_) {
    handshakes_waiting_ += handshakes_.size();
    send(gate_,
         incoming_handshakes{std::move(handshakes_), handshakes_waiting_});
  }
  handshakes_.clear();
}

void udp_port::pass_chains(incoming_ptr batch) {
  for (const auto& chain : chains_)
    send(*routes_->peer(chain.slot),
         incoming_datagrams{batch, chain.first, routes_});
  chains_.clear();
  last_chain_ = 0;
}

// -- outgoing ----------------------------------------------------------------

udp_port::family_handler& udp_port::family_of(const network_path& path) {
  return path.remote.address.is_v4() ? v4_ : v6_;
}

void udp_port::send_datagrams(outgoing_datagrams& datagrams) {
  waiting_batch next{std::move(datagrams), 0, current_sender()};
  if (waiting_.empty() && try_send(next))
    return;
  if (waiting_.size() == max_waiting_batches) {
    drops_.add(drop_reason::send_overload,
               next.datagrams.batch->datagrams.size() - next.sent);
    return;
  }
  waiting_.push_back(std::move(next));
  if (waiting_.size() == 1)
    watch();
}

bool udp_port::try_send(waiting_batch& waiting) {
  const auto& path = waiting.datagrams.path;
  const auto& batch = waiting.datagrams.batch->datagrams;
  auto& socket = family_of(path).socket;
  if (!socket) {
    drops_.add(drop_reason::send_failed, batch.size());
    return true;
  }
  const auto result
    = socket->send(batch, waiting.sent, path.remote, path.local);
  waiting.sent = result.sent;
  if (result.source_was_invalid && waiting.sender)
    send(caf::actor_cast<peer_actor>(waiting.sender), source_lost{});
  if (result.status == udp_socket::io_status::would_block)
    return false;
  drops_.add(drop_reason::send_failed, result.failed);
  return true;
}

void udp_port::send_waiting() {
  while (!waiting_.empty() && try_send(waiting_.front()))
    waiting_.pop_front();
  watch();
}

void udp_port::reply_cookie(const send_cookie_reply& reply) {
  if (auto& socket = family_of(reply.path).socket)
    socket->send(reply.message, reply.path.remote, reply.path.local);
}

// -- configuration -----------------------------------------------------------

caf::result<std::uint16_t> udp_port::bind_again(const rebind& request) {
  auto opened = open_udp_sockets(request.listen, request.fwmark, offload_);
  if (!opened && request.listen.port == listen_.port) {
    // Our own sockets are in the way: the same port at another address.
    close();
    opened = open_udp_sockets(request.listen, request.fwmark, offload_);
    if (!opened) {
      if (auto former = open_udp_sockets(listen_, fwmark_, offload_))
        use(std::move(*former));
      else
        fail(); // somebody else has the port now
      watch();
    }
  }
  if (!opened)
    return make_error(opened.error().code, opened.error().message);
  close();
  listen_ = request.listen;
  use(std::move(*opened));
  fwmark_ = request.fwmark;
  watch();
  return listen_.port;
}

caf::result<void> udp_port::mark(const change_fwmark& request) {
  for (auto* family : {&v4_, &v6_}) {
    if (!family->socket)
      continue;
    if (auto changed = family->socket->set_fwmark(request.fwmark); !changed) {
      if (v4_.socket) // may have been changed already
        std::ignore = v4_.socket->set_fwmark(fwmark_);
      return make_error(changed.error().code, changed.error().message);
    }
  }
  fwmark_ = request.fwmark;
  return caf::unit;
}

} // namespace weft
