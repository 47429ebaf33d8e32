// Actors that never leave the scheduler of their own actor system.
#pragma once

#include "messages/errors.hpp"

#include <caf/all.hpp>

namespace weft {

/// An actor that is sent a message is run by whoever sends it, which across
/// two actor systems is a thread of the wrong one: `class x : public
/// own_scheduler<x_actor::base>` is run by a worker of its own system instead.
template <class Base>
class own_scheduler : public Base {
public:
  explicit own_scheduler(caf::actor_config& config) : Base(config) {
    this->set_default_handler(caf::drop);
    this->set_exception_handler(error_of_exception);
  }

  using Base::enqueue;
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    Base::enqueue(std::move(what), nullptr);
  }
};

} // namespace weft
