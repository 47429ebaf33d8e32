#include "tools/weftd/replacement.hpp"

#include "config/saved_node_format.hpp"
#include "messages/errors.hpp"
#include "messages/overlay.hpp"
#include "platform/clock.hpp"

#include <cerrno>

namespace weft {

namespace {

using namespace std::chrono_literals;

/// For what the two processes say to each other.  What they wait for takes
/// milliseconds; peers do without an answer for 10 s before they worry.
constexpr auto patience = 5s;
/// For the former process to decide, once the new one is ready.  Longer than
/// `patience`: if this one gave up while that one ends, neither would be there.
constexpr auto decision_patience = 20s;
/// For the former process to close its sockets.
constexpr auto end_patience = 10s;
/// For a change that is being made.
constexpr auto busy_patience = 10s;

caf::error fail(const system_error& why) {
  return make_error(why.code, why.message);
}

/// Everything but the end: the successor has it all, and waits for that.
caf::error give(giving_place& place, const overlay_left& left) {
  const auto until = boot_now() + patience;
  const auto bytes = format_saved_node(*left.state);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const auto* letters = reinterpret_cast<const char*>(bytes.data());
  handed_over all{secret_text{std::string_view{letters, bytes.size()}},
                  std::move(*left.descriptors)};
  if (const auto given = place.give(all, until); !given)
    return fail(given.error());
  if (const auto ready = place.wait_until_ready(until); !ready)
    return fail(ready.error());
  return {};
}

struct offer {
  taking_place place;
  handed_over all;
};

/// What the node that serves the socket hands over, once it is not busy.
result<offer>
receive_from(const std::string& socket, const std::string& interface) {
  const auto until = boot_now() + busy_patience;
  for (;;) {
    auto place = taking_place::of(socket);
    if (!place)
      return tl::unexpected(system_error{
        place.error().code,
        "No node of " + interface
          + " can be replaced (a service is restarted instead: systemctl "
            "restart; and so is a container whose first process it is): "
          + place.error().message});
    auto all = place->receive(boot_now() + patience);
    if (all)
      return offer{std::move(*place), std::move(*all)};
    if (all.error().code != EBUSY || boot_now() >= until)
      return tl::unexpected(all.error());
    wait_while_busy();
  }
}

} // namespace

std::string replacement_socket(const control_config& control,
                               const std::string& interface) {
  return control.socket_folder + '/' + interface + ".replace";
}

result<place_giver> place_giver::open(const std::string& socket) {
  auto listener = unix_listener::open(socket, 0600);
  if (!listener)
    return tl::unexpected(listener.error());
  return place_giver{std::move(*listener)};
}

bool place_giver::serve(caf::actor_system& system, const overlay_actor& overlay,
                        spdlog::logger& log) {
  auto connection = listener_.accept();
  if (!connection)
    return false;
  const auto root = caf::actor_cast<overlay_root_actor>(overlay);
  caf::scoped_actor self{system};
  caf::error failure;
  const auto note = [&](caf::error& why) { failure = std::move(why); };
  auto place = giving_place::to(std::move(connection));
  if (!place) {
    log.warn("nobody takes this node's place: {}", place.error().message);
    return false;
  }
  overlay_left left;
  self->request(root, caf::infinite, hand_over{})
    .receive([&](overlay_left& all) { left = std::move(all); }, note);
  if (failure) {
    if (error_code(failure) == EBUSY)
      place->turn_away(error_message(failure));
    log.warn("nobody takes this node's place: {}", error_message(failure));
    return false;
  }
  failure = give(*place, left);
  left = {};
  if (!failure)
    self->request(root, caf::infinite, leave{}).receive([] {}, note);
  if (failure) {
    place->abort(); // before anything is sent again
    caf::anon_send(root, thaw{});
    log.warn("nobody takes this node's place, and it goes on: {}",
             error_message(failure));
    return false;
  }
  if (const auto done = place->commit(); !done)
    log.warn("{}", done.error().message); // it sees that this process ends
  return true;
}

result<taken_place>
take_place(const std::string& socket, const std::string& interface,
           const std::function<result<void>(const inherited_overlay&)>& check) {
  auto received = receive_from(socket, interface);
  if (!received)
    return tl::unexpected(received.error());
  auto& [place, all] = *received;
  taken_place taken;
  const auto state = all.state.view();
  auto node = parse_saved_node(std::as_bytes(std::span{state}), boot_now());
  if (!node)
    taken.unreadable = node.error();
  else if (node->interface.name != interface)
    return tl::unexpected(system_error{
      EINVAL, "The node that answers is that of " + node->interface.name
                + ", and not of " + interface + ": it goes on"});
  else
    taken.left.state = std::make_shared<saved_node>(std::move(*node));
  taken.left.descriptors = std::move(all.descriptors);
  if (const auto fine = check(taken.left); !fine)
    return tl::unexpected(system_error{
      fine.error().code,
      "This process could not go on as the node of "
        + interface + ", so that one goes on itself: " + fine.error().message});
  place.tell_ready();
  if (const auto mine = place.wait_for_place(boot_now() + decision_patience);
      !mine)
    return tl::unexpected(mine.error());
  if (const auto ended = place.wait_until_ended(boot_now() + end_patience);
      !ended)
    return tl::unexpected(ended.error());
  return taken;
}

} // namespace weft
