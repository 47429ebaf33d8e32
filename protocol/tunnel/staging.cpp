#include "protocol/tunnel/staging.hpp"

#include <algorithm>

namespace weft {

// -- the budget --------------------------------------------------------------

void staging_budget::make_room(std::size_t bytes, std::size_t share) {
  for (auto looks = waiting_.size(); looks > 0 && !has_room(bytes); --looks) {
    if (next_ >= waiting_.size())
      next_ = 0;
    waiting_[next_]->shrink_to(share);
    ++next_;
  }
}

void staging_budget::enter(staged_packets& peer) {
  peer.place_ = waiting_.size();
  waiting_.push_back(&peer);
}

void staging_budget::leave(const staged_packets& peer) {
  waiting_[peer.place_] = waiting_.back();
  waiting_[peer.place_]->place_ = peer.place_;
  waiting_.pop_back();
}

// -- the packets of a peer ---------------------------------------------------

void staged_packets::add(const_byte_span packet) {
  if (size() == max_packets)
    drop_oldest(1);
  while (!empty() && bytes_ + packet.size() > max_bytes)
    drop_oldest(1);
  const auto price = packet.size() + overhead;
  if (packet.size() > max_bytes || !find_room(price)) {
    drops_.dropped(drop_reason::queue_full, 1, {packet});
    return;
  }
  if (budget_ != nullptr) {
    if (empty())
      budget_->enter(*this);
    budget_->used_ += price;
  }
  packets_.emplace_back(packet.begin(), packet.end());
  bytes_ += packet.size();
}

bool staged_packets::find_room(std::size_t price) {
  if (budget_ == nullptr || budget_->has_room(price))
    return true;
  const auto waiting = budget_->waiting_.size() + (empty() ? 1 : 0);
  const auto share = budget_->limit_ / waiting;
  shrink_to(share - std::min(price, share));
  budget_->make_room(price, share);
  return budget_->has_room(price);
}

void staged_packets::remove_oldest(std::size_t count) {
  if (count == 0)
    return;
  const auto before = cost();
  for (; count > 0; --count) {
    bytes_ -= packets_[first_].size();
    packets_[first_++] = {};
  }
  if (budget_ != nullptr) {
    budget_->used_ -= before - cost();
    if (empty())
      budget_->leave(*this);
  }
  if (empty() || first_ >= max_packets) {
    packets_.erase(packets_.begin(),
                   packets_.begin() + static_cast<std::ptrdiff_t>(first_));
    packets_.shrink_to_fit();
    first_ = 0;
  }
}

void staged_packets::drop_oldest(std::size_t count) {
  drops_.dropped(drop_reason::queue_full, count);
  remove_oldest(count);
}

void staged_packets::drop_all(drop_reason reason) {
  drops_.dropped(reason, size());
  remove_oldest(size());
}

void staged_packets::keep_only(const std::function<bool(const_byte_span)>& keep,
                               drop_reason reason) {
  // Those that stay move to the end, in their order; what is in front of them
  // is dropped.
  auto kept = packets_.size();
  for (auto i = packets_.size(); i > first_; --i) {
    if (keep(packets_[i - 1]))
      std::swap(packets_[i - 1], packets_[--kept]);
  }
  const auto lost = kept - first_;
  drops_.dropped(reason, lost);
  remove_oldest(lost);
}

void staged_packets::shrink_to(std::size_t most) {
  std::size_t count = 0;
  for (auto left = cost(); left > most; ++count)
    left -= (*this)[count].size() + overhead;
  drop_oldest(count);
}

} // namespace weft
