// Outgoing packets, step by step:
//  1. read a group of packets, or of super-packets of up to 64 KiB of one flow;
//  2. find the peer whose allowed IPs hold its destination, or tell the host
//     that there is none;
//  3. split it into that peer's batch, each segment where it will be sealed;
//  4. when a batch is full, or nothing more is there to be read, send it to
//     the peer.
#include "actors/packets/tun_reader.hpp"

#include "messages/errors.hpp"
#include "platform/hand_over.hpp"

namespace weft {

namespace {

/// Packets read in one go before other actors have their turn.
constexpr std::size_t max_reads = 128;
/// Bytes of super-packets, of which that many would fill the whole pool: two
/// batches are handed over while the next two are read, and are still in the
/// cache when they are sealed.
constexpr std::size_t max_joined = std::size_t{256} << 10;
/// So many times in a row that is not all: more comes in than can be sent.
constexpr std::size_t overloaded_after = 8;
/// Packets that are read beyond that, to get at those of other peers: reading
/// and dropping is several times as fast as sending.
constexpr std::size_t max_thinned = 1024;

} // namespace

std::string name_of_queue(std::size_t number) {
  return number == 0 ? "tun" : "tun" + std::to_string(number);
}

std::set<std::string> names_of_device() {
  std::set<std::string> names{name_of_writing};
  for (std::size_t queue = 0; queue < most_device_queues; ++queue)
    names.insert(name_of_queue(queue));
  return names;
}

tun_reader::tun_reader(caf::actor_config& config, io_loop_ptr loop,
                       std::shared_ptr<const tun_device> tun, std::uint32_t mtu,
                       std::function<void()> lost,
                       std::shared_ptr<detail_log> lines, bool waits,
                       std::shared_ptr<cipher_desk> desk,
                       const reader_place& place)
  : hosted(config, std::move(loop)), tun_(std::move(tun)),
    lost_(std::move(lost)), lines_(std::move(lines)), drop_lines_(lines_, {}),
    router_(
      mtu, [this](const_byte_span packet) { answer(packet); }, place.batches),
    desk_(std::move(desk)), queue_(place.queue), is_first_(place.begins),
    has_turn_(place.begins), frozen_(waits) {
  router_.drops().watched_by(&drop_lines_);
}

tun_reader::behavior_type tun_reader::make_behavior() {
  router_.on_room([self = caf::actor_cast<tun_reader_actor>(this)] {
    caf::anon_send(self, batch_available{});
  });
  start_reading();
  return {
    [this](const routes_changed& changed) -> caf::result<void> {
      router_.set_routes(changed.snapshot); // between passes nothing is open
      return caf::unit;
    },
    [this](const mtu_changed& changed) { router_.set_mtu(changed.mtu); },
    [this](const read_groups& asked) {
      buffers_.read_in_groups(asked.wanted);
      told_obstacle_ = false;
      tell_obstacle();
    },
    [this](const batch_available&) {
      if (may_read())
        std::ignore = loop().watch(tun_->descriptor(), interest::read, this);
    },
    [this](const freeze& asked) { return stand_still(asked); },
    [this](const thaw&) {
      frozen_ = false;
      start_reading();
    },
    [this](const report_request&) { return report(); },
    [this](const give_turn& asked) {
      give_to_ = asked.to;
      pass_turn_on();
    },
    [this](const take_turn&) {
      has_turn_ = true;
      start_reading();
      pass_turn_on(); // it may be wanted elsewhere by now
    },
  };
}

void tun_reader::on_exit() {
  loop().forget(tun_->descriptor());
  buffers_.read_in_groups(false); // what they take is this thread's
  router_.clear();
  desk_.reset();
  give_to_ = nullptr;
  lost_ = nullptr;
}

drop_report tun_reader::report() const {
  auto all = router_.report();
  const auto& obstacle = buffers_.obstacle();
  all.offloads = {{"uring", buffers_.reads_in_groups(),
                   obstacle ? obstacle->message : std::string{}}};
  return all;
}

void tun_reader::ready(bool, bool) {
  enter_loop_context();
  read_packets();
}

void tun_reader::read_packets() {
  if (desk_)
    desk_->look_around(loop().now());
  router_.begin_pass();
  full_passes_ = read_up_to(max_reads) ? full_passes_ + 1 : 0;
  // The device has one queue, and drops whatever comes when that is full: a
  // flood to one peer must not fill it for all.
  if (full_passes_ > overloaded_after && router_.is_contended()) {
    router_.thin_out();
    read_up_to(max_thinned);
  }
  router_.flush();
  tell_obstacle(); // the ring may have failed
}

bool tun_reader::read_up_to(std::size_t limit) {
  std::size_t joined = 0;
  for (std::size_t count = 0; count < limit;) {
    if (joined >= max_joined)
      return false;
    if (!router_.has_room()) {
      starve();
      return false;
    }
    for (const auto& packet : tun_->read_some(buffers_, router_.room())) {
      if (!take(packet))
        return false;
      ++count;
      if (packet.header.gso_type != offload_header::gso_none)
        joined += packet.packet.size();
    }
  }
  return true;
}

bool tun_reader::take(const tun_device::read_result& packet) {
  switch (packet.status) {
    case tun_device::io_status::ok:
      router_.route(packet.header, packet.packet);
      return true;
    case tun_device::io_status::rejected:
      router_.drops().dropped(drop_reason::malformed_packet);
      return true;
    case tun_device::io_status::would_block:
    case tun_device::io_status::not_up:
      return false;
    case tun_device::io_status::lost:
      stop_reading();
      return false;
  }
  return false;
}

void tun_reader::answer(const_byte_span packet) {
  const auto made = answers_.answer(packet, loop().now());
  const const_byte_span whole{made};
  if (!made.empty())
    std::ignore = tun_->write({}, {&whole, 1}); // nobody waits for it
}

void tun_reader::tell_obstacle() {
  const auto& obstacle = buffers_.obstacle();
  if (told_obstacle_ || !obstacle)
    return;
  told_obstacle_ = true;
  if (lines_)
    lines_->line(detail_log::level::info, [&] {
      return tun_->name()
             + ": small packets are read one by one, which is "
               "slower: "
             + obstacle->message;
    });
}

void tun_reader::starve() {
  // Who would have to wait for a batch does what others wait for, and then
  // looks again.
  if (desk_ && desk_->help())
    return;
  std::ignore = loop().watch(tun_->descriptor(), interest::none, this);
}

void tun_reader::start_reading() {
  if (may_read() && !loop().watch(tun_->descriptor(), interest::read, this))
    stop_reading();
}

/// Between passes all that was read is in the peers' mailboxes, and what the
/// other one reads comes behind it.
void tun_reader::pass_turn_on() {
  if (!give_to_ || !std::exchange(has_turn_, false))
    return;
  loop().forget(tun_->descriptor());
  caf::anon_send(caf::actor_cast<queue_reader_actor>(give_to_), take_turn{});
}

/// Between passes all that was read is with its peers.
caf::result<void> tun_reader::stand_still(const freeze& asked) {
  if (is_first_) {
    auto left = duplicate(tun_->descriptor());
    if (!left)
      return make_error(left.error().code, left.error().message);
    asked.into->push_back({name_of_queue(queue_), std::move(*left)});
    if (const auto* writing = tun_->writing_descriptor();
        writing != nullptr && queue_ == 0) {
      auto shared = duplicate(writing->get());
      if (!shared)
        return make_error(shared.error().code, shared.error().message);
      asked.into->push_back({name_of_writing, std::move(*shared)});
    }
  }
  frozen_ = true;
  loop().forget(tun_->descriptor());
  return caf::unit;
}

void tun_reader::stop_reading() {
  ended_ = true;
  loop().forget(tun_->descriptor());
  if (lost_)
    std::exchange(lost_, nullptr)();
}

} // namespace weft
