// A directory with real sockets, a store in a file and an issuer, and what
// talks to it.
#pragma once

#include "actors/network/start_directory.hpp"
#include "platform/files.hpp"
#include "platform/network_tls.hpp"
#include "protocol/network/join_answer.hpp"
#include "protocol/network/renewal.hpp"
#include "tests/actors/issuer_in_test.hpp"
#include "tests/actors/support.hpp"
#include "tests/platform/support.hpp"

#include <atomic>
#include <memory>
#include <string>

namespace weft::test {

/// The host's, but for the date, by which certificates of network_pki hold,
/// and for what the test lets pass.
class pki_clock final : public loop_clock {
public:
  time_point now() const override {
    return boot_now() + skipped_.load();
  }
  wall_time wall() const override {
    return wall_time{network_pki::now.time_since_epoch()} + (now() - began_);
  }
  void wake_at(poller& events, std::optional<time_point> when) override {
    if (when)
      *when -= skipped_.load();
    events.set_deadline(when);
  }
  /// Loops see it once they do something.
  void skip(duration time) {
    skipped_ = skipped_.load() + time;
  }

private:
  time_point began_ = boot_now();
  std::atomic<duration> skipped_{duration{0}};
};

/// One end of a connection with a directory: blocks, and gives up after a long
/// time.
class frame_connection {
public:
  explicit frame_connection(network_stream stream);

  /// Whether it came about; failure() says why not.
  bool shake_hands();
  void send(const byte_vector& frame);
  /// A frame without its length; nothing: the other end has ended it.
  std::optional<byte_vector> next();
  /// Whether the other end ends it, whatever it says before.
  bool is_ended();
  network_stream& stream() {
    return stream_;
  }

private:
  bool await(tls_status what);
  network_stream stream_;
  frame_reader reader_{most_directory_frame_bytes};
};

/// Who connects to a directory.
class directory_client : public frame_connection {
public:
  /// Nothing is said yet.
  directory_client(const network_tls& tls, const endpoint& to);

  using frame_connection::send;
  void send(const member_message& message) {
    send(encode_frame(message));
  }
  std::optional<directory_message> next_message();
  /// The next message of this kind; others are passed over.
  template <class Message>
  Message next_of() {
    for (;;) {
      auto message = next_message();
      if (!message)
        FAIL("the connection has ended: " + stream().failure());
      if (auto* wanted = std::get_if<Message>(&*message))
        return std::move(*wanted);
    }
  }
};

/// How a member is told of a directory there.
inline directory_address address_of(const endpoint& where) {
  return {to_string(where.address), where.port};
}

/// A node of the network, made by joining.
struct joined_member {
  join_keys keys;
  join_answer answer;
  network_identity identity; ///< if it was let in
  member_contents contents;
};

class directory_home {
public:
  explicit directory_home(directory_limits limits = {});
  ~directory_home();

  void start();
  void stop();
  std::size_t starts() const {
    return starts_;
  }

  steering_answer ask(const steering_question& question) {
    return home.ask<steering_answer>(directory, question);
  }
  directory_state state() {
    return state_of(directory);
  }
  endpoint where();
  network_time now() const;

  /// Joins with a token under a name of its own.
  joined_member
  join(const signing_seed& token, const std::optional<std::string>& name);
  joined_member
  join(const join_keys& keys, const std::optional<std::string>& name);
  join_keys draw_keys(const signing_seed& token);
  /// Puts what another directory shows of itself into files.
  void write_files(directory_config& of, const network_holder& self) const;
  directory_state state_of(const directory_actor& which);
  /// Connects as a member, without a word.
  directory_client connect(const joined_member& who);
  directory_client connect(const joined_member& who, const endpoint& to) const;
  /// And has been welcomed.
  directory_client connect_and_greet(const joined_member& who);
  /// Waits for something that the directory's state shows.
  template <class Condition>
  bool becomes(Condition condition) {
    return eventually([&] { return condition(state()); });
  }
  /// A context for members who believe this network's directories.
  static network_tls
  tls_of(const network_identity& self, const network_pki& of);

  world home;
  temporary_folder folder;
  network_pki pki;
  std::shared_ptr<pki_clock> clock = std::make_shared<pki_clock>();
  issuer_in_test issuer;
  directory_options options;
  directory_actor directory;

private:
  std::size_t starts_ = 0;
};

} // namespace weft::test
