// Out: the host's packets are passed on as long as the pool has batches; then
// they wait, and so does the answer to the host.
// In: packets of peers are copied at once, so that a slow consumer holds no
// receive batch, and go to the consumer; what gathers meanwhile goes when it
// has answered.
#include "actors/packets/packet_port.hpp"

#include "messages/errors.hpp"

#include <cerrno>

namespace weft {

packet_port::packet_port(caf::actor_config& config, io_loop_ptr loop,
                         std::uint32_t mtu, packet_consumer consumer,
                         std::shared_ptr<cipher_desk> desk)
  : hosted(config, std::move(loop)), router_(mtu), desk_(std::move(desk)),
    consumer_(std::move(consumer)) {
  set_down_handler([this](const caf::down_msg& down) {
    if (consumer_ && down.source == consumer_.address())
      consumer_ = nullptr;
  });
}

packet_port::behavior_type packet_port::make_behavior() {
  router_.on_room([self = caf::actor_cast<tun_reader_actor>(this)] {
    caf::anon_send(self, batch_available{});
  });
  consume_by(std::exchange(consumer_, nullptr));
  return {
    [this](const routes_changed& changed) -> caf::result<void> {
      router_.set_routes(changed.snapshot); // between passes nothing is open
      return caf::unit;
    },
    [this](const mtu_changed& changed) { router_.set_mtu(changed.mtu); },
    [this](const batch_available&) { pass_on(); },
    [this](const freeze&) -> caf::result<void> {
      frozen_ = true;
      return caf::unit;
    },
    [this](const thaw&) {
      frozen_ = false;
      pass_on();
    },
    [this](const report_request&) { return router_.report(); },
    [this](const incoming_packets& packets) {
      for (const auto& chain : *packets.chains)
        gather(chain);
      packets.chains->clear();
      deliver();
    },
    [](const join_packets&) {}, // there is no device
    [](const read_groups&) {},
    [](const finish_writing&) -> caf::result<void> {
      return caf::unit; // all others were gathered as they came
    },
    [this](send_packets& message) { return send_out(message); },
    [this](set_consumer& message) -> caf::result<void> {
      consume_by(std::move(message.consumer));
      return caf::unit;
    },
  };
}

void packet_port::on_exit() {
  // Peers have been told that these have come.
  if (frozen_ && consumer_ && !gathered_.empty())
    caf::anon_send(consumer_, received_packets{std::exchange(gathered_, {})});
  router_.drops().dropped(drop_reason::device_busy, gathered_.size());
  gathered_ = {};
  router_.clear();
  desk_.reset();
  consumer_ = nullptr;
  for (auto& waiting : waiting_)
    waiting.promise.deliver(make_error(ENODEV, "the overlay has ended"));
  waiting_.clear();
}

// -- out ---------------------------------------------------------------------

caf::result<std::uint32_t> packet_port::send_out(send_packets& message) {
  if (waiting_.size() >= max_waiting) {
    router_.drops().dropped(drop_reason::queue_full, message.packets.size());
    return make_error(ENOBUFS, "too many packets wait to be sent: wait for "
                               "the answer before sending more");
  }
  auto promise = make_response_promise<accepted_promise>();
  waiting_.push_back({std::move(message.packets), promise});
  pass_on();
  return promise;
}

void packet_port::pass_on() {
  if (frozen_)
    return;
  if (desk_)
    desk_->look_around(loop().now());
  router_.begin_pass();
  while (!waiting_.empty() && pass_on(waiting_.front())) {
    auto& finished = waiting_.front();
    finished.promise.deliver(finished.accepted);
    waiting_.pop_front();
  }
  router_.flush();
}

/// Whether all have been passed on.
bool packet_port::pass_on(waiting_packets& waiting) {
  auto& packets = waiting.packets;
  for (; waiting.next < packets.size(); ++waiting.next) {
    if (!router_.has_room()) {
      // Who has to wait for a batch does what others wait for.
      while (desk_ && desk_->help()) {
      }
      return false;
    }
    const auto packet = packets[waiting.next];
    if (packet.size() > router_.mtu())
      router_.drops().dropped(drop_reason::oversized);
    else if (router_.route({}, packet))
      ++waiting.accepted;
  }
  return true;
}

// -- in ----------------------------------------------------------------------

void packet_port::gather(const incoming_chain& chain) {
  packets_refused refused;
  const auto& datagrams = chain.batch->datagrams;
  for (auto number = chain.first; number != incoming_batch::end;
       number = datagrams[number].next) {
    try {
      if (!gathered_.add(datagrams[number].bytes))
        ++refused.busy;
    } catch (const std::bad_alloc&) {
      ++refused.busy;
    }
  }
  if (refused.busy > 0)
    caf::anon_send(chain.peer, refused);
}

void packet_port::consume_by(packet_consumer consumer) {
  if (consumer == consumer_)
    return;
  if (consumer_)
    demonitor(consumer_.address());
  consumer_ = std::move(consumer);
  unanswered_ = 0; // it does not matter any more when the former one answers
  if (consumer_) {
    monitor(consumer_);
    deliver();
  }
}

void packet_port::deliver() {
  if (!consumer_ || unanswered_ > 0 || gathered_.empty())
    return;
  auto packets = std::exchange(gathered_, {});
  unanswered_ = packets.size();
  const auto number = ++delivery_;
  request(consumer_, caf::infinite, received_packets{std::move(packets)})
    .then([this, number] { delivered(number, false); },
          [this, number](const caf::error&) { delivered(number, true); });
}

void packet_port::delivered(std::uint64_t number, bool failed) {
  if (number != delivery_ || unanswered_ == 0)
    return;
  if (failed)
    router_.drops().dropped(drop_reason::device_busy, unanswered_);
  unanswered_ = 0;
  deliver();
}

} // namespace weft
