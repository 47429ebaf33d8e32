// An issuer (protocol/network/issuer.hpp) behind the Unix socket that a
// directory asks, on a thread of the test's own: its journal is in memory.
#pragma once

#include "platform/unix_socket.hpp"
#include "protocol/network/issuing.hpp"
#include "tests/platform/network_pki.hpp"
#include "tests/protocol/support.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace weft::test {

class issuer_in_test {
public:
  using clock = std::function<network_time()>;

  issuer_in_test(network_pki& pki, std::string path, clock now);
  issuer_in_test(const issuer_in_test&) = delete;
  issuer_in_test& operator=(const issuer_in_test&) = delete;
  ~issuer_in_test();

  /// Listens at its path; again, after stop().
  void start();
  void stop();

  /// A token that lets in so many.
  signing_seed invite(std::uint64_t uses = 1);
  void remove(const std::string& name);
  /// Items with nothing right in them, which take room.
  static constexpr std::size_t ballast_bytes = std::size_t{400} << 10;
  void publish_ballast(std::size_t count);
  /// A list that it has signed and gives to nobody.
  byte_vector sign_lost_list();
  /// The newest preshared secret, which a renewal's answer has from now on.
  void keep_secret(epoch_secret secret);
  /// Questions for admission that came.
  std::size_t asked() const {
    return asked_;
  }

private:
  struct client {
    file_descriptor socket;
    frame_reader reader{most_issuing_frame_bytes};
    std::optional<std::uint64_t> waits_after; ///< for items
    time_point until{};
  };

  void serve();
  bool take(client& from);
  issuing_answer answer(const ask_admission& what);
  issuing_answer answer(const ask_for_itself& what);
  void answer_waiting(client& who);
  static void send(client& to, const issuing_answer& what);
  void take_over(const std::optional<byte_vector>& entry);
  void publish(network_item item);
  void sign_list();
  std::vector<byte_vector> certify(const certificate_terms& terms);

  network_pki& pki_;
  std::string path_;
  clock now_;
  std::mutex mutex_; ///< of what follows
  std::optional<issuer> core_;
  std::vector<network_item> items_;
  std::map<member_id, byte_vector> certificates_;
  std::optional<epoch_secret> secret_;
  deterministic_random random_{5};
  std::atomic<std::size_t> asked_{0};
  std::atomic<bool> stopping_{false};
  std::optional<unix_listener> listener_;
  std::thread thread_;
};

} // namespace weft::test
