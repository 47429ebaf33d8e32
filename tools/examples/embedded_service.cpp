// A service that embeds two overlays in its own actor system and has them talk
// to each other: requests go out by one, the answers come from the other.  No
// TUN device, no privileges; any user may run it.
//
//   client -> alpha's packet port -> UDP on the loopback link, encrypted
//          -> beta's packet port -> server, and back.
#include <caf/all.hpp>
#include <weft/weft.hpp>

#include <cctype>
#include <chrono>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;

// -- packets: IPv4 and UDP, as small as can be -------------------------------

constexpr std::size_t header_size = 28;

using packet = std::vector<std::byte>;

packet make_packet(const weft::ip_address& from, const weft::ip_address& to,
                   const std::string& text) {
  packet made(header_size + text.size());
  auto* ip = made.data();
  const auto store = [ip](std::size_t offset, std::size_t value) {
    weft::store_be(ip + offset, static_cast<std::uint16_t>(value));
  };
  store(0, 0x4500); // version, header length
  store(2, made.size());
  store(8, 64 * 256 + 17); // hop limit, UDP
  std::memcpy(ip + 12, from.bytes.data(), 4);
  std::memcpy(ip + 16, to.bytes.data(), 4);
  std::size_t sum = 0; // RFC 1071
  for (std::size_t i = 0; i < 20; i += 2)
    sum += weft::load_be<std::uint16_t>(ip + i);
  sum = (sum & 0xffff) + (sum >> 16);
  store(10, ~(sum + (sum >> 16)));
  store(20, 7000); // ports
  store(22, 7000);
  store(24, 8 + text.size()); // and no UDP checksum, which IPv4 allows
  std::memcpy(ip + header_size, text.data(), text.size());
  return made;
}

std::string text_of(weft::const_byte_span received) {
  std::string text;
  for (std::size_t i = header_size; i < received.size(); ++i)
    text += static_cast<char>(received[i]);
  return text;
}

// -- the server, behind beta -------------------------------------------------

packet answer_to(weft::const_byte_span received) {
  const auto view = weft::parse_ip_packet(received); // never fails here
  auto text = text_of(received);
  for (auto& letter : text)
    letter
      = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  return make_packet(view->destination, view->source, text);
}

/// Answers packets.  The next ones come once these answers are on their way,
/// so that whoever is slow slows the others down, and nobody's memory grows.
weft::packet_consumer::behavior_type
serve(weft::packet_consumer::pointer self,
      const weft::packet_port_actor& network) {
  return {
    [self,
     network](const weft::received_packets& received) -> caf::result<void> {
      weft::packet_batch answers;
      for (std::size_t i = 0; i < received.packets.size(); ++i)
        answers.add(answer_to(received.packets[i]));
      auto done = self->make_response_promise();
      self
        ->request(network, caf::infinite,
                  weft::send_packets{std::move(answers)})
        .then([done](std::uint32_t) mutable { done.deliver(caf::unit); },
              [done](const caf::error& why) mutable { done.deliver(why); });
      return done;
    },
  };
}

// -- the client, behind alpha ------------------------------------------------

/// Hands the text of each packet to `reader`.
weft::packet_consumer::behavior_type
listen(weft::packet_consumer::pointer, const caf::actor& reader) {
  return {
    [reader](const weft::received_packets& received) {
      for (std::size_t i = 0; i < received.packets.size(); ++i)
        caf::anon_send(reader, text_of(received.packets[i]));
    },
  };
}

// -- both ends ---------------------------------------------------------------

/// An overlay that ends with its owner: an actor system waits for all actors.
struct overlay {
  overlay(caf::actor_system& system, const std::string& name,
          const weft::private_key& key, const weft::peer_config& peer) {
    weft::overlay_options options;
    options.config.interface.name = name;
    options.config.interface.private_key = key;
    options.config.interface.listen = *weft::parse_endpoint("127.0.0.1:0");
    options.config.peers = {peer};
    options.device = weft::use_packet_port{}; // the consumer comes later
    auto started = weft::start_overlay(system, std::move(options));
    if (!started)
      throw std::runtime_error(started.error().message);
    running = std::move(*started);
    std::cout << name << ": UDP port " << running.port << '\n';
  }
  overlay(const overlay&) = delete;
  overlay& operator=(const overlay&) = delete;
  ~overlay() {
    caf::anon_send(running.actor, weft::shut_down{});
  }

  weft::running_overlay running;
};

void run(caf::actor_system& system) {
  weft::system_random random;
  const auto alpha_key = weft::generate_private_key(random);
  const auto beta_key = weft::generate_private_key(random);
  const auto alpha_address = *weft::parse_ip_address("10.77.0.1");
  const auto beta_address = *weft::parse_ip_address("10.77.0.2");

  // Beta learns from alpha's handshake where alpha is.
  weft::peer_config peer;
  peer.public_key = weft::derive_public_key(alpha_key);
  peer.allowed_ips = {{alpha_address, 32}};
  const overlay beta{system, "beta", beta_key, peer};
  peer.public_key = weft::derive_public_key(beta_key);
  peer.allowed_ips = {{beta_address, 32}};
  peer.endpoint
    = *weft::parse_endpoint("127.0.0.1:" + std::to_string(beta.running.port));
  const overlay alpha{system, "alpha", alpha_key, peer};

  caf::scoped_actor self{system};
  const auto fail = [](const caf::error& why) {
    throw std::runtime_error(weft::error_message(why));
  };
  const auto attach
    = [&](const overlay& end, const weft::packet_consumer& consumer) {
        self->request(end.running.packets, 10s, weft::set_consumer{consumer})
          .receive([] {}, fail);
      };
  attach(beta, system.spawn(serve, beta.running.packets));
  attach(alpha, system.spawn(listen, caf::actor{self}));

  for (const auto* question : {"hello", "is anybody there?", "bye"}) {
    weft::packet_batch questions;
    questions.add(make_packet(alpha_address, beta_address, question));
    self
      ->request(alpha.running.packets, 10s,
                weft::send_packets{std::move(questions)})
      .receive([](std::uint32_t) {}, fail);
    self->receive(
      [&](const std::string& answer) {
        std::cout << question << " -> " << answer << '\n';
      },
      caf::after(10s) >> [] { throw std::runtime_error("no answer comes"); });
  }
}

} // namespace

int main() {
  caf::actor_system_config config;
  weft::configure(config);
  caf::actor_system system{config};
  try {
    run(system);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "embedded_service: " << error.what() << '\n';
    return 1;
  }
}
