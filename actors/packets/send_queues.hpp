// Sending, so that one way that is full holds up nobody else.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "actors/packets/network_errors.hpp"
#include "messages/udp_port.hpp"
#include "platform/udp_socket.hpp"

#include <deque>
#include <map>

namespace weft {

/// All datagrams leave by one socket until its buffer is full.  Whoever was to
/// be sent something at that moment most probably filled it: it gets a socket
/// of its own on the same port, a detour, and all others go on with a fresh
/// one.  So what a slow interface has not taken fills the buffer of those
/// behind it only.  What finds a detour full waits in order, and what finds too
/// many waiting is dropped and counted.  No actor itself; used on the loop's
/// thread.
class send_queues {
public:
  /// Batches that may wait for room in one buffer: a quarter of the pool, so
  /// that a few full ways leave the packets of others some.
  static constexpr std::size_t max_waiting = 4;
  /// In all buffers together.
  static constexpr std::size_t max_waiting_in_all = 12;
  /// For each family.  When all are in use, they are shared.
  static constexpr std::size_t max_detours = 8;

  /// `waiting_changed` is called when waits_for() may have changed.  `errors`
  /// tells peers of what was not sent.
  send_queues(io_loop& loop, drop_counters& drops, network_errors& errors,
              std::function<void()> waiting_changed,
              std::function<void()> failed);
  send_queues(const send_queues&) = delete;
  send_queues& operator=(const send_queues&) = delete;
  ~send_queues() = default;

  /// The sockets that receive, which send as well; null: there is none.
  /// `divided`: others may be opened beside them.
  void use(udp_socket* v4, udp_socket* v6, bool divided);
  /// Closes what was opened; what waits is dropped.
  void close();
  /// The receiving sockets use them.
  void use(const udp_features& features);
  /// The receiving sockets have it.  Those that do not take it are closed, so
  /// that nothing leaves with the former one.
  void set_fwmark(std::uint32_t mark);
  /// Nothing waits any more: what has no room now is dropped.
  void finish();

  /// Sends, or keeps until there is room.
  void send(outgoing_datagrams& datagrams);

  /// Whether something waits for room in the buffer of the receiving socket.
  bool waits_for(const udp_socket& receiving) const;
  /// It has room.
  void go_on(const udp_socket& receiving);
  /// Sockets that were opened for those who would hold up others.
  std::size_t detours() const {
    return v4_.detours.size() + v6_.detours.size();
  }
  /// Batches that wait for room in any buffer.
  std::size_t waiting_in_all() const;

private:
  struct waiting_batch {
    outgoing_datagrams datagrams;
    std::size_t sent = 0;
  };
  struct queue final : descriptor_handler {
    send_queues* queues = nullptr;
    std::optional<udp_socket> own;
    udp_socket* socket = nullptr; ///< own or the receiving one
    std::deque<waiting_batch> waiting;

    /// What was opened for sending receives nothing: `readable` means errors.
    void ready(bool readable, bool writable) override;
    void failed() override {
      queues->failed_();
    }
  };
  struct family {
    udp_socket* receiving = nullptr;
    queue main;
    std::vector<std::unique_ptr<queue>> detours;
    std::map<endpoint, queue*> detoured;
    std::size_t next_shared = 0;
  };

  queue& queue_for(family& way, const endpoint& remote);
  queue* make_detour(family& way, const endpoint& remote);
  queue* free_detour(family& way);
  void replace_main(family& way);
  bool try_send(queue& by, waiting_batch& waiting);
  void drop_waiting(queue& by);
  void keep(queue& by, waiting_batch&& waiting);
  void send_waiting(queue& by);
  void watch(queue& by);

  io_loop& loop_;
  drop_counters& drops_;
  network_errors& errors_;
  std::function<void()> waiting_changed_;
  std::function<void()> failed_;
  bool divided_ = false;
  family v4_;
  family v6_;
};

} // namespace weft
