#include "tools/weftd/replacement.hpp"

#include "platform/clock.hpp"
#include "platform/unix_socket.hpp"

#include <cerrno>
#include <memory>
#include <tuple>
#include <utility>

namespace weft {

namespace {

using namespace std::chrono_literals;

/// For the former process to close its sockets.
constexpr auto end_patience = 10s;
/// For a change that is being made.
constexpr auto busy_patience = 10s;

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
          + " can be replaced (for a service there is weft upgrade; a "
            "container whose first process it is, is restarted): "
          + place.error().message});
    auto all = place->receive(boot_now() + hand_over_patience);
    if (all)
      return offer{std::move(*place), std::move(*all)};
    if (all.error().code != EBUSY || boot_now() >= until)
      return tl::unexpected(all.error());
    wait_while_busy();
  }
}

class open_giver final : public place_giver {
public:
  explicit open_giver(unix_listener listener) : listener_(std::move(listener)) {
  }

  int descriptor() const override {
    return listener_.descriptor();
  }
  bool serve(const give_place& give, spdlog::logger& log) override {
    auto connection = listener_.accept();
    if (!connection)
      return false;
    const auto done = give(std::move(connection));
    if (!done)
      log.warn("nobody takes this node's place, and it goes on: {}",
               done.error().message);
    return done.has_value();
  }

private:
  unix_listener listener_;
};

} // namespace

result<std::unique_ptr<place_giver>>
open_for_anyone(const std::string& socket) {
  auto listener = unix_listener::open(socket, 0600);
  if (!listener)
    return tl::unexpected(listener.error());
  return std::make_unique<open_giver>(std::move(*listener));
}

result<imported_overlay>
take_place(const std::string& socket, const std::string& interface,
           const std::function<result<void>(const inherited_overlay&)>& check) {
  auto received = receive_from(socket, interface);
  if (!received)
    return tl::unexpected(received.error());
  auto& [place, all] = *received;
  auto taken = take_over(
    place, std::move(all), [&](const inherited_overlay& left) -> result<void> {
      if (left.state && left.state->interface.name != interface)
        return tl::unexpected(
          system_error{EINVAL, "it is the node of " + left.state->interface.name
                                 + ", and not of " + interface});
      return check(left);
    });
  if (!taken)
    return taken;
  taken->left.await_end
    = [former = std::make_shared<taking_place>(std::move(place))] {
        // One that cannot even be killed sends nothing more, and nobody else
        // would be there: what it does not let go of is missed by whoever
        // wants it.
        std::ignore = former->wait_until_ended(boot_now() + end_patience);
      };
  return taken;
}

} // namespace weft
