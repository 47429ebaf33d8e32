// A directory whose part a test plays: it has a directory's certificate, and
// tells members what the test says.
#pragma once

#include "platform/connect.hpp"
#include "tests/actors/directory_support.hpp"

#include <poll.h>

#include <string>
#include <string_view>
#include <utility>

namespace weft::test {

/// The end of a member's connection; other frames of the member's are passed
/// over where one is waited for.
class played_connection : public frame_connection {
public:
  using frame_connection::frame_connection;

  using frame_connection::send;
  void send(const directory_message& message) {
    send(encode_frame(message));
  }
  template <class Message>
  Message next_of() {
    for (;;) {
      const auto frame = next();
      if (!frame)
        FAIL("the connection has ended: " + stream().failure());
      auto message = must(read_member_message(*frame));
      if (message && std::holds_alternative<Message>(*message))
        return std::get<Message>(std::move(*message));
    }
  }
  /// Welcomes the member, and shows that there is nothing that it lacks.
  void welcome(bool cut_off = false) {
    std::ignore = next_of<member_hello>();
    send(directory_welcome{members_version, {}, 1, false, {}, cut_off});
    if (cut_off)
      return;
    std::ignore = next_of<compare_items>();
    send(items_page{{}, {}, true, 1});
  }
};

class played_directory {
public:
  explicit played_directory(network_pki& of, const std::string& name = "played",
                            std::string_view listen = "127.0.0.1:0")
    : played_directory(of, of.directory(name), listen) {
  }
  /// With a certificate that may be no directory's.
  played_directory(const network_pki& of, const network_holder& shown,
                   std::string_view listen = "127.0.0.1:0")
    : tls_(must(
      network_tls::directory(identity_of(shown, of),
                             [](network_purpose, std::span<const byte_vector>) {
                               return std::optional<refused>{};
                             }))),
      listener_(must(tcp_listener::open(*parse_endpoint(listen)))) {
  }

  directory_address address() const {
    return address_of(listener_.where());
  }
  /// The next connection of a member that believes this directory.
  played_connection accept() {
    for (;;) {
      auto made = meet();
      if (made.shake_hands())
        return made;
    }
  }
  /// The next one of a member, before the TLS handshake.
  played_connection meet() {
    for (;;) {
      pollfd ready{listener_.descriptor(), POLLIN, 0};
      REQUIRE(::poll(&ready, 1, 60'000) == 1);
      if (auto socket = listener_.accept().fd)
        return played_connection{must(tls_.accept(std::move(socket)))};
    }
  }

private:
  static network_identity
  identity_of(const network_holder& who, const network_pki& of) {
    return {who.chain, who.seed, of.root.certificate.der};
  }

  network_tls tls_;
  tcp_listener listener_;
};

} // namespace weft::test
