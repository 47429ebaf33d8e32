// The connection to a directory: TCP, TLS as a member, and bytes both ways.
// Nothing blocks.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "platform/network_tls.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace weft {

/// One connection at a time.
class directory_link final : private descriptor_handler {
public:
  /// More is not sent to a directory that takes nothing.
  static constexpr std::size_t most_queued = std::size_t{1} << 20;

  struct owner {
    std::function<void()> entered; ///< before any of the others
    /// Who answers at one of so many addresses.  Something: why it is passed
    /// over, a clause that completes "ADDRESS is passed over:".
    std::function<std::optional<std::string>(std::span<const byte_vector> chain,
                                             std::size_t addresses)>
      met;
    std::function<void()> connected;
    std::function<void(const_byte_span)> received;
    /// It is closed by then; `why` is a clause that completes "no connection:".
    std::function<void(std::string why)> lost;
  };

  directory_link(io_loop& loop, owner told);
  ~directory_link();

  /// One address after the other, each with its share of the time until
  /// `deadline`, by which TLS must be done as well.  A connection that there
  /// was is closed.
  void dial(std::shared_ptr<const network_tls> tls,
            std::vector<endpoint> addresses, time_point deadline);
  /// What cannot be sent is told of by lost(), later.
  void send(byte_vector bytes);
  /// Without a word to anybody.
  void close();
  /// Looks at the time.
  void check(time_point now);
  /// This host's address of a connection with TLS; nothing: there is none.
  std::optional<ip_address> local() const;
  /// When to call check(), at the latest.
  time_point next_check() const {
    return deadline_;
  }

private:
  enum class stage : std::uint8_t { closed, connecting, handshake, open };

  void ready(bool readable, bool writable) override;
  void failed() override;

  void try_next(time_point now);
  void drop();
  /// This address is not the one.
  void fail(std::string why);
  void lose(std::string why);
  bool finish_connecting();
  /// False: it goes on later, or is over.
  bool is_done(const tls_result& result);
  void proceed();
  void read();
  void write();
  void watch();

  io_loop& loop_;
  owner owner_;
  std::shared_ptr<const network_tls> tls_;
  std::deque<endpoint> addresses_; ///< that are left
  std::size_t all_addresses_ = 0;
  std::string current_;        ///< the address, for people
  time_point last_deadline_{}; ///< of all addresses
  time_point deadline_ = time_point::max();
  stage stage_ = stage::closed;
  file_descriptor socket_; ///< while it is being connected
  std::optional<network_stream> stream_;
  byte_vector queued_;
  bool overflowed_ = false;
  bool wants_write_ = false;     ///< what is read or shaken waits for that
  std::uint64_t connection_ = 0; ///< counts them
};

} // namespace weft
