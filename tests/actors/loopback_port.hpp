// A UDP port with a gate and peers, and others on the loopback link.
#pragma once

#include "actors/packets/udp_port.hpp"
#include "tests/actors/desk_with.hpp"
#include "tests/protocol/inner_packets.hpp"

#include <poll.h>

#include <fstream>
#include <iomanip>
#include <sstream>

namespace weft::test {

/// Another program: a plain socket on the loopback link.
class stranger {
public:
  explicit stranger(std::uint16_t port = 0) : socket_(open(port)) {
  }
  endpoint address() const {
    return *parse_endpoint("127.0.0.1:" + std::to_string(socket_.port()));
  }
  void send(const bytes& datagram, std::uint16_t port) {
    auto to = address();
    to.port = port;
    CHECK(socket_.send(datagram, to, std::nullopt).failed == 0);
  }
  /// The next datagram that comes.
  bytes receive() {
    bytes memory(udp_socket::receive_stride);
    std::vector<received_datagrams> got;
    while (got.empty()) {
      pollfd entry{socket_.descriptor(), POLLIN, 0};
      if (::poll(&entry, 1, 20'000) != 1)
        FAIL("no datagram comes");
      socket_.receive(memory, 1, got);
    }
    last_sender_ = got[0].remote;
    return {got[0].bytes.begin(), got[0].bytes.end()};
  }

  endpoint last_sender() const {
    return last_sender_;
  }

private:
  static udp_socket open(std::uint16_t port) {
    udp_socket::options wanted;
    wanted.address = *parse_ip_address("127.0.0.1");
    wanted.port = port;
    wanted.features = {false, false, false};
    auto opened = udp_socket::open(wanted);
    if (!opened)
      FAIL(opened.error().message);
    return std::move(*opened);
  }
  udp_socket socket_;
  endpoint last_sender_;
};

/// What a peer was handed in one chain.
struct chain {
  std::vector<bytes> datagrams;
  std::vector<endpoint> senders;
  routes_ptr allowed;
};

inline chain chain_of(const incoming_datagrams& message) {
  chain result{{}, {}, message.allowed};
  for (auto number = message.first; number != incoming_batch::end;
       number = message.batch->datagrams[number].next) {
    const auto& datagram = message.batch->datagrams[number];
    result.datagrams.emplace_back(datagram.bytes.begin(), datagram.bytes.end());
    result.senders.push_back(message.batch->paths[datagram.path].remote);
  }
  return result;
}

/// What passes for a handshake message by its type and size.
inline bytes
handshake(std::uint8_t type, std::size_t size, std::uint8_t mark = 0) {
  bytes message(size, std::byte{mark});
  message[0] = std::byte{type};
  message[1] = message[2] = message[3] = std::byte{0};
  return message;
}

/// A port on the loopback link, with a gate and three peers; `helped`: and with
/// a cipher worker.
struct loopback_port {
  static constexpr std::uint32_t slots = 3;

  explicit loopback_port(bool divided = false, bool helped = false) {
    if (helped)
      space->desk = desk_with(worker);
    peer_table table;
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
      peers.push_back(std::make_unique<fake<peer_actor>>(home));
      auto* log = &logs[slot];
      peers[slot]->on<incoming_datagrams>(
        [log](const incoming_datagrams& message) -> caf::result<void> {
          log->push(chain_of(message)); // and lets go of the batch
          return caf::unit;
        });
      table.set(slot, peers[slot]->handle());
    }
    snapshot = std::make_shared<routes>(allowed_ips{}, table, indices);
    const auto any = *parse_endpoint("127.0.0.1:0");
    auto sockets = open_udp_sockets(any, 0);
    REQUIRE(sockets);
    port = sockets->port();
    std::shared_ptr<udp_sockets> strangers;
    if (divided) {
      auto opened = open_stranger_sockets(*sockets);
      REQUIRE(opened);
      strangers = std::make_shared<udp_sockets>(std::move(*opened));
    }
    actor = home.spawn<udp_port>(loop.loop, space, std::move(*sockets), any, 0u,
                                 udp_features{}, strangers);
    caf::anon_send(actor, gate_started{gate.handle()});
    caf::anon_send(actor, routes_changed{snapshot});
    home.ask<drop_report>(actor, report_request{});
  }

  bytes
  transport(std::uint32_t slot, std::uint64_t number, std::size_t size = 64) {
    auto message = handshake(4, size);
    store_le(message.data() + wire::transport_receiver,
             indices->encode(slot, 1));
    store_le(message.data() + wire::transport_counter, number);
    return message;
  }
  std::uint64_t drops(drop_reason reason) {
    return home.ask<drop_report>(actor, report_request{}).drops[reason];
  }
  /// Waits until the port knows it.
  void give_back(std::size_t handshakes, std::size_t unknown = 0) {
    caf::anon_send(actor, handshakes_processed{handshakes, unknown});
    home.ask<drop_report>(actor, report_request{});
  }
  /// The inode of its socket.
  std::string socket_of_port() const {
    std::ifstream table("/proc/self/net/udp");
    std::ostringstream local;
    local << ':' << std::uppercase << std::hex << std::setfill('0')
          << std::setw(4) << port;
    std::string line;
    while (std::getline(table, line)) {
      std::istringstream fields(line);
      std::string number, address, field, inode;
      fields >> number >> address;
      for (int i = 0; i < 7; ++i)
        fields >> field;
      fields >> inode;
      if (address.ends_with(local.str()))
        return inode;
    }
    return {};
  }
  bool comes_to_drop(drop_reason reason, std::uint64_t count) {
    return eventually([&] { return drops(reason) >= count; })
           && drops(reason) == count;
  }

  std::array<message_log, slots> logs; // outlive the peers
  world home;
  test_loop loop = home.start_loop();
  deterministic_random random{21};
  std::shared_ptr<const receiver_index_codec> indices
    = std::make_shared<receiver_index_codec>(random);
  workspace_ptr space = std::make_shared<workspace>(indices);
  fake<handshake_gate_actor> gate{home};
  fake<cipher_worker_actor> worker{home};
  std::vector<std::unique_ptr<fake<peer_actor>>> peers;
  routes_ptr snapshot;
  std::uint16_t port = 0;
  udp_port_actor actor;
};

} // namespace weft::test
