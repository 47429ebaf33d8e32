// Two ends of a TLS connection of a network in one thread.
#pragma once

#include "platform/network_tls.hpp"
#include "tests/platform/network_pki.hpp"
#include "tests/platform/tls_support.hpp"

namespace weft::test {

/// Welcomes what holds under a root, of one role.
template <class Contents>
chain_judge
welcomes(const network_certificate& root, network_time now = network_pki::now) {
  return
    [root, now](network_purpose,
                std::span<const byte_vector> chain) -> std::optional<refused> {
      const auto leaf = verify_chain(root, chain, now);
      if (!leaf)
        return leaf.error();
      if (!std::holds_alternative<Contents>(leaf->contents))
        return refused{refusal::wrong_role,
                       "it is of the role "
                         + std::string{role_of(leaf->contents)}};
      return std::nullopt;
    };
}

inline std::optional<refused>
welcome_all(network_purpose, std::span<const byte_vector>) {
  return std::nullopt;
}

inline network_identity
identity_of(const network_holder& who, const network_pki& pki) {
  return {who.chain, who.seed, pki.root.certificate.der};
}

/// Who connects, and a directory.
struct network_pair {
  network_stream client;
  network_stream server;
  tls_status client_status = tls_status::wants_read;
  tls_status server_status = tls_status::wants_read;

  network_pair(const network_tls& from, const network_tls& to,
               socket_pair sockets = socket_pair{})
    : client(must(from.connect(std::move(sockets.first)))),
      server(must(to.accept(std::move(sockets.second)))) {
  }

  /// As far as they go.  A client whose handshake is done reads on: so it
  /// learns what the server has against it.
  bool shake_hands() {
    for (int round = 0; round < 100; ++round) {
      if (waits(client_status))
        client_status = client.handshake().status;
      if (waits(server_status))
        server_status = server.handshake().status;
    }
    return client_status == tls_status::done
           && server_status == tls_status::done;
  }
};

} // namespace weft::test
