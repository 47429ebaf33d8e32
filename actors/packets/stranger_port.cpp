#include "actors/packets/stranger_port.hpp"

#include "messages/errors.hpp"
#include "platform/hand_over.hpp"

namespace weft {

stranger_port::stranger_port(caf::actor_config& config, io_loop_ptr loop,
                             udp_port_actor peers_port,
                             std::shared_ptr<detail_log> lines, bool waits)
  : hosted(config, std::move(loop)), peers_port_(std::move(peers_port)),
    frozen_(waits), drop_lines_(std::move(lines), {}),
    errors_({{},
             [this](const path_too_narrow& said) { // peers_port_ knows them
               send(peers_port_, said);
             }}),
    pool_(std::make_shared<incoming_pool>(1)) {
  v4_.port = this;
  v6_.port = this;
  sorter_.drops().watched_by(&drop_lines_);
}

stranger_port::behavior_type stranger_port::make_behavior() {
  const auto self = caf::actor_cast<stranger_port_actor>(this);
  sorter_.answer_by(self);
  send(peers_port_, strangers_welcome{self});
  return {
    [this](const stranger_sockets& given) { use(*given.opened); },
    [this](const close_sockets&) -> caf::result<void> {
      close();
      return caf::unit;
    },
    [this](const send_cookie_replies& wanted) { reply(wanted); },
    [this](const handshakes_processed& count) { sorter_.processed(count); },
    [this](routes_changed& changed) -> caf::result<void> {
      errors_.set_routes(changed.snapshot);
      sorter_.set_routes(std::move(changed.snapshot));
      return caf::unit;
    },
    [this](const gate_started& started) {
      sorter_.set_gate(started.gate,
                       caf::actor_cast<handshake_source_actor>(this));
    },
    [this](const change_fwmark& asked) -> caf::result<void> {
      caf::result<void> answer = caf::unit;
      for (auto* family : {&v4_, &v6_}) {
        if (!family->socket)
          continue;
        auto marked = family->socket->set_fwmark(asked.fwmark);
        family->may_send = marked.has_value();
        if (!marked)
          answer = make_error(marked.error().code, marked.error().message);
      }
      return answer;
    },
    [this](const use_features& wanted) {
      for (auto* family : {&v4_, &v6_}) {
        if (family->socket)
          family->socket->use(wanted.features);
      }
    },
    [this](const freeze& asked) { return stand_still(asked); },
    [this](const thaw&) {
      frozen_ = false;
      watch();
    },
    [this](const report_request&) { return report(); },
  };
}

void stranger_port::on_exit() {
  close();
  sorter_.clear();
  errors_.clear();
  own_.reset();
  peers_port_ = nullptr;
}

void stranger_port::use(udp_sockets& opened) {
  close();
  v4_.socket = std::move(opened.v4);
  v6_.socket = std::move(opened.v6);
  for (auto* family : {&v4_, &v6_})
    family->may_send = true;
  watch();
}

void stranger_port::watch() {
  for (auto* family : {&v4_, &v6_}) {
    if (family->socket)
      std::ignore
        = loop().watch(family->socket->descriptor(),
                       frozen_ ? interest::none : interest::read, family);
  }
}

/// Each pass gives the gate and peers all that it has received.
caf::result<void> stranger_port::stand_still(const freeze& asked) {
  auto& into = *asked.into;
  const auto left
    = leave_duplicate(into, "strangers4", v4_.socket).and_then([&] {
        return leave_duplicate(into, "strangers6", v6_.socket);
      });
  if (!left)
    return make_error(left.error().code, left.error().message);
  frozen_ = true;
  watch();
  return caf::unit;
}

void stranger_port::close() {
  for (auto* family : {&v4_, &v6_}) {
    if (!family->socket)
      continue;
    sorter_.drops().dropped(drop_reason::oversized,
                            family->socket->truncated());
    loop().forget(family->socket->descriptor());
    family->socket.reset();
  }
}

drop_report stranger_port::report() const {
  auto report = drop_report{sorter_.drops(), {}, 0};
  for (const auto* family : {&v4_, &v6_}) {
    if (!family->socket)
      continue;
    report.drops.dropped(drop_reason::oversized, family->socket->truncated());
    report.lost += family->socket->lost();
  }
  return report;
}

void stranger_port::family_handler::ready(bool readable, bool) {
  port->enter_loop_context();
  if (readable && socket && !port->frozen_)
    port->receive_from(*socket);
}

void stranger_port::receive_from(udp_socket& socket) {
  auto batch = pool_->acquire();
  const auto max = batch ? max_transport : 0;
  if (!batch) {
    if (!own_)
      own_.reset(new incoming_batch);
    batch = own_;
    batch->clear();
  }
  received_.clear();
  std::ignore
    = socket.receive(batch->memory(), udp_socket::max_messages, received_);
  if (socket.may_have_errors())
    errors_.read(socket, loop().now());
  sorter_.sort(received_, std::move(batch), max);
}

void stranger_port::reply(const send_cookie_replies& wanted) {
  auto elsewhere = send_cookie_replies{};
  for (auto* family : {&v4_, &v6_}) {
    replies_.clear();
    for (const auto& reply : wanted.replies) {
      if (reply.path.remote.address.is_v4() != (family == &v4_))
        continue;
      if (family->socket && family->may_send)
        replies_.push_back(
          {reply.message, reply.path.remote, reply.path.local});
      else
        elsewhere.replies.push_back(reply);
    }
    if (!replies_.empty())
      family->socket->send(replies_);
  }
  replies_.clear();
  if (!elsewhere.replies.empty())
    send(peers_port_, std::move(elsewhere));
}

} // namespace weft
