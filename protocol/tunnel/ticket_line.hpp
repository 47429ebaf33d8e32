// Order for what is finished in any order: each thing leaves in the turn in
// which it was begun.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace weft {

using ticket_number = std::uint64_t;

/// Whoever begins something takes a ticket.  The oldest ticket holds up those
/// behind it until what it stands for is complete or cancelled.  It is meant
/// for a few dozen places, and takes no memory of its own while it is empty.
/// Of one thread.
template <class Item>
class ticket_line {
public:
  bool empty() const {
    return places_.empty();
  }
  std::size_t size() const {
    return places_.size();
  }
  /// The ticket that reserve() will give out next.  All older ones have left
  /// once first() has come so far.
  ticket_number next() const {
    return first_ + places_.size();
  }
  /// The oldest ticket that has not left; next() if there is none.
  ticket_number first() const {
    return first_;
  }

  /// The place behind all others.
  ticket_number reserve() {
    places_.emplace_back();
    return next() - 1;
  }
  /// Has `item` leave in its turn.  False: the place is no more, and the item
  /// is dropped.
  bool complete(ticket_number which, Item item) {
    auto* found = find(which);
    if (found == nullptr)
      return false;
    found->item.emplace(std::move(item));
    found->open = false;
    return true;
  }
  /// Gives the place up.  False: it is no more.
  bool cancel(ticket_number which) {
    auto* found = find(which);
    if (found == nullptr)
      return false;
    found->open = false;
    return true;
  }

  /// Takes out the oldest item if it is its turn.  To be called again until
  /// there is none.
  std::optional<Item> pop_ready() {
    std::optional<Item> ready;
    while (!ready && !places_.empty() && !places_.front().open) {
      ready = std::move(places_.front().item);
      places_.erase(places_.begin());
      ++first_;
    }
    return ready;
  }

  /// Forgets all places: what is completed later is dropped.
  void clear() {
    first_ = next();
    places_.clear();
  }

private:
  struct place {
    std::optional<Item> item{}; ///< once it is complete
    bool open = true;           ///< neither complete nor cancelled
  };

  place* find(ticket_number which) {
    if (which < first_ || which >= next())
      return nullptr;
    auto& found = places_[static_cast<std::size_t>(which - first_)];
    return found.open ? &found : nullptr;
  }

  std::vector<place> places_; ///< from the oldest ticket on
  ticket_number first_ = 0;
};

} // namespace weft
