// Outgoing packets, step by step:
//  1. read a packet, or a super-packet of up to 64 KiB of one flow;
//  2. find the peer whose allowed IPs hold its destination;
//  3. split it into that peer's batch, each segment where it will be sealed;
//  4. when a batch is full, or nothing more is there to be read, send it to
//     the peer.
#include "actors/tun_reader.hpp"

#include "protocol/offload.hpp"

namespace weft {

namespace {

/// Packets read in one go before other actors have their turn.
constexpr std::size_t max_reads = 128;

} // namespace

tun_reader::tun_reader(caf::actor_config& config, io_loop_ptr loop,
                       std::shared_ptr<const tun_device> tun, std::uint32_t mtu,
                       std::function<void()> lost)
  : hosted(config, std::move(loop)), tun_(std::move(tun)), mtu_(mtu),
    lost_(std::move(lost)), pool_(std::make_shared<outgoing_pool>(pool_size)),
    buffer_(std::make_unique_for_overwrite<std::byte[]>(tun_device::max_read)) {
}

tun_reader::behavior_type tun_reader::make_behavior() {
  pool_->on_available([self = caf::actor_cast<tun_reader_actor>(this)] {
    caf::anon_send(self, batch_available{});
  });
  reading_ = true;
  if (!loop().watch(tun_->descriptor(), interest::read, this))
    stop_reading();
  return {
    [this](const routes_changed& changed) {
      routes_ = changed.snapshot;
      last_route_.reset();
    },
    [this](const mtu_changed& changed) { mtu_ = changed.mtu; },
    [this](const batch_available&) {
      if (reading_)
        std::ignore = loop().watch(tun_->descriptor(), interest::read, this);
    },
    [this](const report_request&) { return drop_report{drops_}; },
  };
}

void tun_reader::on_exit() {
  loop().forget(tun_->descriptor());
  pool_->on_available(nullptr);
  for (auto& open : open_)
    open.batch.reset();
  spare_.reset();
  routes_.reset();
  lost_ = nullptr;
}

void tun_reader::ready(bool, bool) {
  enter_loop_context();
  read_packets();
}

void tun_reader::read_packets() {
  for (std::size_t i = 0; i < max_reads; ++i) {
    if (!spare_ && !(spare_ = pool_->acquire())) {
      starve();
      break;
    }
    if (!read_packet())
      break;
  }
  flush_all();
}

bool tun_reader::read_packet() {
  const auto packet = tun_->read({buffer_.get(), tun_device::max_read});
  switch (packet.status) {
    case tun_device::io_status::ok:
      route(packet);
      return true;
    case tun_device::io_status::rejected:
      drops_.add(drop_reason::malformed_packet);
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

void tun_reader::route(const tun_device::read_result& packet) {
  const auto view = parse_ip_packet(packet.packet);
  if (!view) {
    drops_.add(drop_reason::malformed_packet);
    return;
  }
  const auto slot = find_slot(view->destination);
  if (!slot) {
    drops_.add(drop_reason::no_route);
    return;
  }
  auto segments = segmenter::create(packet.header, packet.packet);
  if (!segments) {
    drops_.add(drop_reason::malformed_packet);
    return;
  }
  for (;;) {
    if (segments->split_into(batch_for(*slot)->datagrams, mtu_))
      return;
    for (auto& open : open_) {
      if (open.batch && open.slot == *slot)
        flush(open);
    }
  }
}

std::optional<std::uint32_t>
tun_reader::find_slot(const ip_address& destination) {
  if (last_route_ && last_route_->first == destination)
    return last_route_->second;
  if (!routes_)
    return std::nullopt;
  const auto slot = routes_->slot_of(destination);
  if (slot)
    last_route_ = {destination, *slot};
  return slot;
}

outgoing_ptr& tun_reader::batch_for(std::uint32_t slot) {
  open_batch* free = nullptr;
  for (auto& open : open_) {
    if (open.batch && open.slot == slot)
      return open.batch;
    if (!open.batch)
      free = &open;
  }
  if (free == nullptr) {
    free = &open_[next_victim_++ % open_.size()];
    flush(*free);
  }
  free->slot = slot;
  free->batch = spare_ ? std::move(spare_) : pool_->acquire_or_make();
  return free->batch;
}

void tun_reader::flush(open_batch& open) {
  auto batch = std::move(open.batch);
  const auto* peer = routes_->peer(open.slot);
  if (peer != nullptr)
    send(*peer, outgoing_packets{std::move(batch)});
  else
    drops_.add(drop_reason::no_route, batch->datagrams.size());
}

void tun_reader::flush_all() {
  for (auto& open : open_) {
    if (open.batch)
      flush(open);
  }
}

void tun_reader::starve() {
  std::ignore = loop().watch(tun_->descriptor(), interest::none, this);
}

void tun_reader::stop_reading() {
  reading_ = false;
  loop().forget(tun_->descriptor());
  if (lost_)
    std::exchange(lost_, nullptr)();
}

} // namespace weft
