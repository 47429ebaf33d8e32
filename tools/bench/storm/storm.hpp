// Many initiators on one socket, and what becomes of them.
#pragma once

#include "platform/epoll.hpp"
#include "platform/random.hpp"
#include "platform/udp_socket.hpp"
#include "tools/bench/storm/client.hpp"

#include <deque>
#include <memory>
#include <vector>

namespace weft::bench {

struct storm_options {
  endpoint server;
  public_key server_key;
  /// The clients' addresses are those that follow it.  The host must take all
  /// of them for its own (`ip route add local PREFIX dev lo`).
  ip_address first_source;
  /// Clients that ask at a time; 0: all of them at once.
  std::size_t window = 0;
  /// Who has no response asks again after this long (paper, 6.1: 5 s).
  std::chrono::milliseconds retry{5000};
  std::chrono::seconds limit{90}; ///< then whoever is left gives up
};

struct storm_result {
  std::uint64_t sent = 0; ///< initiations, repeated ones included
  std::uint64_t cookies = 0;
  std::uint64_t retries = 0; ///< after no answer
  std::size_t verified = 0;  ///< responses that end a handshake
  /// When the responses came, since the first initiation; ascending.
  std::vector<duration> answered;
};

/// Shakes hands for all of `keys`.  Initiations are made before the clock runs
/// and responses verified after it has stopped, so that the server's work is
/// what is measured.  A cookie is used at once.
class handshake_storm {
public:
  static result<std::unique_ptr<handshake_storm>>
  create(const storm_options& options, const std::vector<private_key>& keys);

  storm_result run();

private:
  handshake_storm(storm_options options, udp_socket socket, poller events);

  struct retry_entry {
    time_point when;
    std::size_t client = 0;
  };

  bool ask_some(time_point now);
  void ask(std::size_t number, time_point now);
  void send(std::size_t number);
  void read(time_point now);
  void handle(const_byte_span datagram, time_point now);
  void retry_due(time_point now);

  storm_options options_;
  udp_socket socket_;
  poller events_;
  system_random random_;
  std::vector<storm_client> clients_;
  std::size_t asked_ = 0; ///< clients that have begun
  std::size_t done_ = 0;
  std::deque<retry_entry> retries_; ///< the earliest first
  std::vector<std::byte> memory_;
  std::vector<received_datagrams> received_;
  storm_result result_;
};

} // namespace weft::bench
