// A service that becomes a member of a network with one call, and lists whom it
// can reach.  No TUN device, no privileges; any user may run it:
//
//   join_by_token FOLDER [TOKEN]
//
// FOLDER keeps who this member is; the token ('weft network invite') is needed
// the first time only.
#include <caf/all.hpp>
#include <weft/network.hpp>
#include <weft/weft.hpp>

#include <chrono>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;

weft::packet_consumer::behavior_type listen(weft::packet_consumer::pointer) {
  return {
    [](const weft::received_packets& received) {
      std::cout << received.packets.size() << " packets have come\n";
    },
  };
}

/// What has joined ends with its owner: an actor system waits for all actors.
struct member {
  explicit member(weft::joined_network made) : joined(std::move(made)) {
  }
  member(const member&) = delete;
  member& operator=(const member&) = delete;
  ~member() {
    caf::anon_send(joined.membership, weft::shut_down{});
    caf::anon_send(joined.overlay.actor, weft::shut_down{});
  }

  weft::joined_network joined;
};

weft::joined_network join(caf::actor_system& system, const std::string& folder,
                          const std::optional<weft::join_token>& token) {
  weft::join_network_options options;
  options.folder = folder;
  options.overlay.config.interface.name = "service";
  options.overlay.device = weft::use_packet_port{system.spawn(listen)};
  auto joined = weft::join_network(system, token, std::move(options));
  if (!joined)
    throw std::runtime_error(joined.error().message);
  return std::move(*joined);
}

void run(caf::actor_system& system, const std::string& folder,
         const std::optional<weft::join_token>& token) {
  const member self(join(system, folder, token));
  std::cout << "this is " << self.joined.name;
  for (const auto& each : self.joined.addresses)
    std::cout << ", " << weft::to_string(each);
  std::cout << '\n';
  caf::scoped_actor asking{system};
  asking->receive(caf::after(3s) >> [] {}); // the directory tells what is new
  asking->request(self.joined.overlay.actor, 10s, weft::get_status{})
    .receive(
      [](const weft::device_status& status) {
        for (const auto& peer : status.peers)
          std::cout << peer.name << '\n';
      },
      [](const caf::error& why) {
        throw std::runtime_error(weft::error_message(why));
      });
}

std::optional<weft::join_token> read_token(int argc, char** argv) {
  if (argc < 3)
    return std::nullopt;
  auto token = weft::parse_token(argv[2]);
  if (!token)
    throw std::runtime_error(token.error().what);
  return std::move(*token);
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::cerr << "usage: join_by_token FOLDER [TOKEN]\n";
    return 2;
  }
  caf::actor_system_config config;
  weft::configure(config);
  caf::actor_system system{config};
  try {
    run(system, argv[1], read_token(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "join_by_token: " << error.what() << '\n';
    return 1;
  }
}
