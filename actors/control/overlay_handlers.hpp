// One handler for all requests of the overlay's interface, which so many
// stand in for.
#pragma once

#include "messages/control.hpp"

#include <utility>

namespace weft {

namespace overlay_handlers {

template <class Behavior, class Make, class... Signatures, class... More>
Behavior make_all(caf::detail::type_list<Signatures...>, const Make& make,
                  More... more) {
  return {make(Signatures{})..., std::move(more)...};
}

/// What a signature says: the request, and what it is answered with.
template <class T, class R>
using signature
  = caf::typed_mpi<caf::detail::type_list<T>, caf::output_tuple<R>>;

} // namespace overlay_handlers

/// A behavior with the handlers that `make(signature<T, R>)` returns, and with
/// `more` of them.
template <class Behavior, class Make, class... More>
Behavior overlay_behavior(const Make& make, More... more) {
  return overlay_handlers::make_all<Behavior>(overlay_actor::signatures{}, make,
                                              std::move(more)...);
}

} // namespace weft
