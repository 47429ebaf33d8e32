// Out: the host's packets are passed on as long as the pool has batches; then
// they wait, and so does the answer to the host.
// In: peers add packets to `arrived_packets`.  The first one wakes the port,
// which hands the consumer all that gathered until then, and what gathered
// meanwhile when it has answered.
#include "actors/packets/packet_port.hpp"

#include "messages/errors.hpp"

#include <cerrno>

namespace weft {

// -- packets that arrived ----------------------------------------------------

bool arrived_packets::add(const_byte_span packet) {
  std::function<void()> wake;
  {
    const std::lock_guard guard(mutex_);
    if (!open_ || !gathered_.add(packet))
      return false;
    if (!std::exchange(asleep_, false))
      return true;
    wake = wake_;
  }
  if (wake)
    wake();
  return true;
}

packet_batch arrived_packets::take() {
  const std::lock_guard guard(mutex_);
  asleep_ = gathered_.empty();
  return std::exchange(gathered_, {});
}

void arrived_packets::on_arrival(std::function<void()> wake) {
  // What the former function holds ends outside of the lock.
  const std::lock_guard guard(mutex_);
  open_ = wake != nullptr;
  if (!open_)
    gathered_ = {};
  wake_.swap(wake);
}

packet_sink sink_into(std::shared_ptr<arrived_packets> arrived) {
  return {{false, false},
          [arrived = std::move(arrived)](const super_packet& packet) {
            // Without offloads, every packet is written alone.
            return arrived->add(packet.fragments.front())
                     ? tun_device::io_status::ok
                     : tun_device::io_status::would_block;
          }};
}

// -- the actor ---------------------------------------------------------------

packet_port::packet_port(caf::actor_config& config, io_loop_ptr loop,
                         std::shared_ptr<arrived_packets> arrived,
                         std::uint32_t mtu, packet_consumer consumer)
  : hosted(config, std::move(loop)), arrived_(std::move(arrived)), router_(mtu),
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
  arrived_->on_arrival([self = caf::actor_cast<packet_port_base>(this)] {
    caf::anon_send(self, packets_arrived{});
  });
  consume_by(std::exchange(consumer_, nullptr));
  return {
    [this](const routes_changed& changed) -> caf::result<void> {
      router_.set_routes(changed.snapshot); // between passes nothing is open
      return caf::unit;
    },
    [this](const mtu_changed& changed) { router_.set_mtu(changed.mtu); },
    [this](const batch_available&) { pass_on(); },
    [this](const report_request&) { return drop_report{router_.drops()}; },
    [this](send_packets& message) { return send_out(message); },
    [this](set_consumer& message) -> caf::result<void> {
      consume_by(std::move(message.consumer));
      return caf::unit;
    },
    [this](const packets_arrived&) { deliver(); },
  };
}

void packet_port::on_exit() {
  router_.clear();
  arrived_->on_arrival(nullptr);
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
    if (!router_.has_room())
      return false;
    const auto packet = packets[waiting.next];
    if (packet.size() > router_.mtu())
      router_.drops().dropped(drop_reason::oversized);
    else if (router_.route({}, packet))
      ++waiting.accepted;
  }
  return true;
}

// -- in ----------------------------------------------------------------------

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
  if (!consumer_ || unanswered_ > 0)
    return;
  auto packets = arrived_->take();
  if (packets.empty())
    return;
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
