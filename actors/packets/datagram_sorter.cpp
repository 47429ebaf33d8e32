#include "actors/packets/datagram_sorter.hpp"

#include <algorithm>

namespace weft {

void datagram_sorter::processed(const handshakes_processed& done) {
  handshakes_waiting_ -= std::min(handshakes_waiting_, done.messages);
  unknown_waiting_ -= std::min(unknown_waiting_, done.unknown);
}

void datagram_sorter::clear() {
  gate_ = nullptr;
  self_ = nullptr;
  answers_ = nullptr;
  routes_.reset();
}

void datagram_sorter::sort(std::span<const received_datagrams> received,
                           incoming_ptr batch, std::size_t max_transport) {
  for (const auto& message : received)
    sort_message(message, *batch, max_transport);
  pass_to_gate();
  pass_chains(batch);
  batch.reset(); // it is the peers' now
}

void datagram_sorter::sort_message(const received_datagrams& received,
                                   incoming_batch& batch,
                                   std::size_t max_transport) {
  const auto path = static_cast<std::uint16_t>(batch.paths.size());
  batch.paths.push_back({{received.remote, received.local}, received.mark});
  for (std::size_t at = 0; at < received.bytes.size();
       at += received.segment_size) {
    const auto length
      = std::min(received.segment_size, received.bytes.size() - at);
    const auto datagram = received.bytes.subspan(at, length);
    const auto type = wire::classify(datagram);
    if (!type) {
      drops_.dropped(drop_reason::malformed_message, 1,
                     {datagram, &received.remote});
    } else if (*type == message_type::transport) {
      if (!routes_ || batch.datagrams.size() >= max_transport)
        drops_.dropped(drop_reason::overload, 1, {datagram, &received.remote});
      else
        sort_transport(datagram, path, batch);
    } else if (handshakes_waiting_ + handshakes_.size()
               >= max_waiting_handshakes) {
      drops_.dropped(drop_reason::handshake_overload, 1,
                     {datagram, &received.remote});
    } else {
      auto& message = handshakes_.emplace_back();
      std::copy(datagram.begin(), datagram.end(), message.bytes.begin());
      message.size = static_cast<std::uint8_t>(length);
      message.path = batch.paths[path];
    }
  }
}

void datagram_sorter::sort_transport(byte_span datagram, std::uint16_t path,
                                     incoming_batch& batch) {
  const auto index
    = load_le<std::uint32_t>(datagram.data() + wire::transport_receiver);
  if (!last_index_ || last_index_->first != index)
    last_index_ = {index, routes_->slot_of_index(index)};
  const auto slot = last_index_->second;
  if (last_chain_ >= chains_.size() || chains_[last_chain_].slot != slot) {
    last_chain_ = 0;
    while (last_chain_ < chains_.size() && chains_[last_chain_].slot != slot)
      ++last_chain_;
    if (last_chain_ == chains_.size()) {
      if (routes_->peer(slot) == nullptr) {
        drops_.dropped(drop_reason::unknown_index, 1,
                       {datagram, &batch.paths[path].remote});
        add_unknown(batch.paths[path].remote);
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

void datagram_sorter::add_unknown(const endpoint& remote) {
  // A sender's messages lie side by side.
  if (unknown_waiting_ + unknown_.size() < max_waiting_unknown
      && (unknown_.empty() || unknown_.back() != remote))
    unknown_.push_back(remote);
}

void datagram_sorter::pass_to_gate() {
  if (handshakes_.empty() && unknown_.empty())
    return;
  if (gate_) {
    handshakes_waiting_ += handshakes_.size();
    unknown_waiting_ += unknown_.size();
    caf::anon_send(gate_,
                   incoming_handshakes{std::move(handshakes_),
                                       std::move(unknown_), self_, answers_});
  } else {
    drops_.dropped(drop_reason::handshake_overload, handshakes_.size());
  }
  handshakes_.clear();
  unknown_.clear();
}

void datagram_sorter::pass_chains(const incoming_ptr& batch) {
  for (const auto& chain : chains_) {
    if (const auto* peer = routes_->peer(chain.slot))
      caf::anon_send(*peer, incoming_datagrams{batch, chain.first, routes_});
  }
  chains_.clear();
  last_chain_ = 0;
}

} // namespace weft
