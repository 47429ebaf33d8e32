#include "actors/overlay/export_overlay.hpp"

#include "actors/overlay/overlay_loops.hpp"
#include "config/saved_node_format.hpp"
#include "messages/errors.hpp"
#include "messages/overlay.hpp"
#include "platform/clock.hpp"
#include "platform/memory.hpp"

#include <cerrno>
#include <new>
#include <span>
#include <tuple>
#include <utility>

namespace weft {

namespace {

/// For the former process to decide, once the new one is ready.  Longer than
/// that one waits: if this one gave up while that one ends, neither would be
/// there.
constexpr std::chrono::seconds decision_patience{20};

/// Everything but the end: the successor has it all, and waits for that.
result<void> give(giving_place& place, overlay_left left) {
  const auto until = boot_now() + hand_over_patience;
  const bool is_much = left.state->peers.size() > many_peers;
  const auto state = to_memory(left.state);
  if (!state)
    return tl::unexpected(state.error());
  if (auto given = place.give(*state, *left.descriptors, until); !given)
    return given;
  if (is_much) // its successor needs as much
    release_memory_aside();
  return place.wait_until_ready(until);
}

/// Asks the overlay, and waits for the answer, which goes to `then`.
template <class Message, class Then>
result<void> ask(caf::scoped_actor& self, const overlay_root_actor& overlay,
                 Message message, Then then) {
  result<void> outcome;
  self->request(overlay, caf::infinite, std::move(message))
    .receive(then, [&](const caf::error& why) {
      outcome
        = tl::unexpected(system_error{error_code(why), error_message(why)});
    });
  return outcome;
}

/// Who does not end has wiped its keys all the same.
void wait_for_end(caf::scoped_actor& self, const overlay_root_actor& overlay) {
  self->monitor(overlay);
  self->receive([](const caf::down_msg&) {},
                caf::after(hand_over_patience) >> [] {});
}

} // namespace

result<state_memory> to_memory(std::shared_ptr<saved_node>& left) try {
  const auto node = std::exchange(left, nullptr);
  return state_memory::make([&node](const state_memory::take_part& take) {
    write_saved_node(*node, [&take](const_byte_span part) {
      // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
      take({reinterpret_cast<const char*>(part.data()), part.size()});
    });
  });
} catch (const std::bad_alloc&) {
  return tl::unexpected(make_system_error(
    ENOMEM, "Cannot hand over",
    "A limit on memory is reached (ulimit -v, LimitAS= of the unit)"));
}

result<void>
export_overlay(caf::actor_system& system, const overlay_actor& overlay,
               file_descriptor connection, const std::function<void()>& let_go,
               bool process_ends) {
  auto place = giving_place::to(std::move(connection));
  if (!place)
    return tl::unexpected(place.error());
  const auto root = caf::actor_cast<overlay_root_actor>(overlay);
  caf::scoped_actor self{system};
  overlay_left left;
  auto done = ask(self, root, hand_over{},
                  [&](overlay_left& all) { left = std::move(all); });
  if (!done) {
    if (done.error().code == EBUSY || done.error().code == ENOMEM)
      place->turn_away(done.error().message);
    return done;
  }
  done = give(*place, std::move(left));
  if (done)
    done = ask(self, root, leave{process_ends}, [] {});
  if (!done) {
    place->abort(); // before anything is sent again
    caf::anon_send(root, thaw{});
    return done;
  }
  wait_for_end(self, root);
  if (let_go)
    let_go();
  // If this cannot be written, the other one has ended by itself.
  std::ignore = place->commit();
  return {};
}

result<imported_overlay>
import_overlay(file_descriptor connection, const overlay_options& options) {
  auto place = taking_place::from(std::move(connection));
  if (!place)
    return tl::unexpected(place.error());
  auto received = place->receive(boot_now() + hand_over_patience);
  if (!received)
    return tl::unexpected(received.error());
  return take_over(*place, std::move(*received),
                   [&options](const inherited_overlay& left) {
                     return check_inherited(options, left);
                   });
}

result<imported_overlay>
take_over(taking_place& place, handed_over received,
          const std::function<result<void>(const inherited_overlay&)>& check) {
  imported_overlay taken;
  const auto bytes = received.state.view();
  auto node = parse_saved_node(std::as_bytes(std::span{bytes}), boot_now());
  if (node)
    taken.left.state = std::make_shared<saved_node>(std::move(*node));
  else
    taken.unreadable = node.error();
  taken.left.descriptors = std::move(received.descriptors);
  if (const auto fine = check(taken.left); !fine)
    return tl::unexpected(system_error{
      fine.error().code, "This process could not go on in the place of the "
                         "other, which goes on itself: "
                           + fine.error().message});
  place.tell_ready();
  received.state = {}; // wiped, while the other one wipes its keys
  if (const auto mine = place.wait_for_place(boot_now() + decision_patience);
      !mine)
    return tl::unexpected(mine.error());
  return taken;
}

} // namespace weft
