// A client that speaks byte by byte.
#pragma once

#include "actors/control/wire/hello.hpp"
#include "tests/actors/control_frames.hpp"
#include "tests/actors/control_support.hpp"

namespace weft::test {

class raw_client {
public:
  explicit raw_client(const std::string& path) {
    auto connected = connect_unix(path);
    if (!connected)
      FAIL(connected.error().message);
    fd_ = std::move(*connected);
  }

  /// Whether it could be sent.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent
        = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0)
        return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// So many bytes; fewer if the connection ends.
  std::string receive(std::size_t size) {
    std::string bytes(size, '\0');
    std::size_t got = 0;
    while (got < size) {
      pollfd entry{fd_.get(), POLLIN, 0};
      if (::poll(&entry, 1, 20'000) != 1)
        FAIL("nothing comes, and the connection does not end");
      const auto count = ::read(fd_.get(), bytes.data() + got, size - got);
      if (count <= 0)
        break;
      got += static_cast<std::size_t>(count);
    }
    bytes.resize(got);
    return bytes;
  }
  /// Reads until the connection ends.
  bool ended() {
    while (receive(1).size() == 1) {
    }
    return true;
  }
  std::optional<server_hello> ask(const client_hello& said) {
    if (!send(to_bytes(said)))
      return std::nullopt;
    return parse_server_hello(receive(server_hello::size));
  }

  /// Comes in, shakes hands, and learns the facade's number.
  raw_client& enter() {
    const auto said = ask({control_version, node_});
    REQUIRE(said);
    REQUIRE(said->answer == admission::granted);
    const auto head = basp::parse_header(receive(basp::header_size));
    REQUIRE(head.what == basp::operation::server_handshake);
    const auto greeting = receive(head.length);
    server_node = greeting.substr(0, client_hello::node_size);
    node_ = server_node;
    node_.back() = static_cast<char>(node_.back() + 1);
    node_[12] = static_cast<char>(node_[12] ^ 1);
    // After the node, the names of the protocol that both sides speak: a list
    // of one.
    const auto names = client_hello::node_size;
    REQUIRE(greeting[names] == 1);
    facade = basp::load_u64(
      greeting, names + 2 + static_cast<std::uint8_t>(greeting[names + 1]));
    REQUIRE(send(client_handshake(node_)));
    REQUIRE(send(client_handshake(node_, basp::select_connection)));
    return *this;
  }
  /// The next frame, heartbeats aside; nothing if the connection ends.
  std::optional<std::pair<basp::header, std::string>> next_frame() {
    for (;;) {
      const auto bytes = receive(basp::header_size);
      if (bytes.size() < basp::header_size)
        return std::nullopt;
      const auto head = basp::parse_header(bytes);
      if (head.what != basp::operation::heartbeat)
        return std::pair{head, receive(head.length)};
    }
  }
  /// The next message, other frames aside.
  std::optional<std::pair<basp::header, std::string>> next_message() {
    for (;;) {
      auto next = next_frame();
      if (!next || next->first.what == basp::operation::direct_message)
        return next;
    }
  }
  const std::string& node() const {
    return node_;
  }
  int descriptor() const {
    return fd_.get();
  }

  std::string server_node;
  std::uint64_t facade = 0;

private:
  file_descriptor fd_;
  std::string node_ = node_id('r');
};

} // namespace weft::test
