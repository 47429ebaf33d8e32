#include "actors/packets/device_relief.hpp"

#include "platform/processor_time.hpp"

namespace weft {

device_relief::device_relief(io_loop_ptr lane, std::vector<io_loop_ptr> others,
                             std::vector<queue> queues,
                             helped_writer_actor writer,
                             std::shared_ptr<cipher_desk> desk)
  : lane_(std::move(lane)), others_(std::move(others)),
    queues_(std::move(queues)), writer_(std::move(writer)),
    desk_(std::move(desk)) {
}

void device_relief::look(time_point now) {
  const auto used = [](const io_loop& loop) {
    return processor_time(loop.thread_number()).value_or(duration{});
  };
  duration others{};
  for (const auto& other : others_)
    others += used(*other);
  load_.look(now, used(*lane_), others);
}

void device_relief::turn(bool on) {
  is_on_ = on;
  for (const auto& each : queues_) {
    const auto keep = caf::strong_actor_ptr{};
    const auto give_to = [](const queue_reader_actor& other) {
      return give_turn{caf::actor_cast<caf::strong_actor_ptr>(other)};
    };
    caf::anon_send(each.own, on ? give_to(each.relief) : give_turn{keep});
    caf::anon_send(each.relief, on ? give_turn{keep} : give_to(each.own));
  }
  caf::anon_send(writer_, write_elsewhere{on});
}

} // namespace weft
