#include "actors/packets/packet_router.hpp"

namespace weft {

namespace {

/// TCP slows down when packets wait or are lost, and needs no thinning out.
bool is_tcp_super_packet(const offload_header& header) {
  const auto type = header.gso_type & ~offload_header::gso_ecn;
  return type == offload_header::gso_tcp4 || type == offload_header::gso_tcp6;
}

} // namespace

packet_router::packet_router(std::uint32_t mtu,
                             std::function<void(const_byte_span)> nobody,
                             std::size_t batches)
  : mtu_(mtu), nobody_(std::move(nobody)),
    pool_(std::make_shared<outgoing_pool>(batches)) {
}

bool packet_router::route(const offload_header& header, byte_span packet) {
  const auto view = parse_ip_packet(packet);
  if (!view)
    return drop(drop_reason::malformed_packet, packet);
  const auto slot = find_slot(view->destination);
  if (!slot) {
    if (nobody_)
      nobody_(packet);
    return drop(drop_reason::no_route, packet);
  }
  if (thinning_ && share_.is_used_up(*slot) && !is_tcp_super_packet(header))
    return drop(drop_reason::queue_full, packet);
  share_.take(*slot);
  auto segments = segmenter::create(header, packet);
  if (!segments)
    return drop(drop_reason::malformed_packet, packet);
  while (!segments->split_into(batch_for(*slot)->datagrams, mtu_)) {
    for (auto& open : open_) {
      if (open.batch && open.slot == *slot)
        send(open);
    }
  }
  return true;
}

bool packet_router::drop(drop_reason reason, const_byte_span packet) {
  drops_.dropped(reason, 1, {packet});
  return false;
}

std::optional<std::uint32_t>
packet_router::find_slot(const ip_address& destination) {
  if (last_route_ && last_route_->first == destination)
    return last_route_->second;
  if (!routes_)
    return std::nullopt;
  const auto slot = routes_->slot_of(destination);
  if (slot)
    last_route_ = {destination, *slot};
  return slot;
}

outgoing_ptr& packet_router::batch_for(std::uint32_t slot) {
  open_batch* free = nullptr;
  for (auto& open : open_) {
    if (open.batch && open.slot == slot)
      return open.batch;
    if (!open.batch)
      free = &open;
  }
  if (free == nullptr) {
    free = &open_[next_victim_++ % open_.size()];
    send(*free);
  }
  free->slot = slot;
  free->batch = spare_ ? std::move(spare_) : pool_->acquire_or_make();
  return free->batch;
}

void packet_router::send(open_batch& open) {
  auto batch = std::move(open.batch);
  const auto* peer = routes_->peer(open.slot);
  if (peer != nullptr)
    caf::anon_send(*peer,
                   outgoing_packets{std::move(batch), share_.is_contended()});
  else
    drops_.dropped(drop_reason::no_route, batch->datagrams.size());
}

void packet_router::flush() {
  for (auto& open : open_) {
    if (open.batch)
      send(open);
  }
}

void packet_router::clear() {
  pool_->on_available(nullptr);
  for (auto& open : open_)
    open.batch.reset();
  spare_.reset();
  routes_.reset();
}

} // namespace weft
