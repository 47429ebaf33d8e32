// The peer actor: one Noise session, its timers, and its packets both ways.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "actors/loop/workspace.hpp"
#include "messages/event_hub.hpp"
#include "messages/host_writer.hpp"
#include "messages/registry.hpp"
#include "messages/routes.hpp"
#include "messages/timer.hpp"
#include "messages/udp_port.hpp"
#include "protocol/tunnel/endpoint_swings.hpp"
#include "protocol/tunnel/endpoint_turns.hpp"
#include "protocol/tunnel/peer_health.hpp"
#include "protocol/tunnel/peer_session.hpp"
#include "protocol/tunnel/ticket_line.hpp"

namespace weft {

/// Whom a peer sends to.
struct peer_neighbours {
  udp_port_actor socket;
  host_writer_actor writer;
  timer_actor timer;
  registry_actor registry;
  event_hub_actor events;
};

/// What a peer begins with that is in no file.
struct peer_beginning {
  /// What a host name in its endpoint stands for, if that is known.
  std::optional<endpoint> found{};
  std::vector<preshared_key> other_preshared_keys{}; ///< as in a patch
  peer_origin origin = peer_origin::file;
  /// What an earlier process left of it; null: nothing.
  std::shared_ptr<const saved_session> saved{};
};

/// How the log calls a peer: by its name, or the beginning of its key.
std::string name_in_log(const std::string& name, const public_key& key);

class peer : public hosted<peer_actor::base> {
public:
  peer(caf::actor_config& config, io_loop_ptr loop, workspace_ptr space,
       peer_neighbours neighbours, std::shared_ptr<const identity> self,
       std::uint32_t slot, const session_ended& former,
       const peer_config& wanted, const peer_beginning& beginning = {});

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  friend struct peer_access; ///< tests that look at what an ended actor keeps

  void seal(outgoing_packets& packets);
  // peer_jobs.cpp: what is done elsewhere, or waits behind that
  /// As seal(), with a worker's help, or behind what that has under way.
  void seal_in_turn(outgoing_packets& packets, const instant& at);
  void send_in_turn(outgoing_ptr batch);
  /// Beside a line that is not empty: what has waited takes its turn, and what
  /// is of a session that has ended is not begun any more.
  void tend_lines(const instant& at);
  /// As open(), with a worker's help, or behind what that has under way.
  /// False: it has no help, and nobody to wait for.
  bool open_in_turn(incoming_datagrams& datagrams, const instant& at);
  void
  hand_over(const cipher_job_ptr& job, ticket_number ticket, const instant& at);
  /// Puts what became of jobs that have ended into its place, and lets go of
  /// what has its turn.  Whether there were any.
  bool take_ended(const instant& at);
  void take_back(cipher_job& job);
  /// Sends what is complete, as far as it is its turn.
  void send_ready();
  /// Tells the other peers how much waits here.
  void count_lines();
  void take_ready(const instant& at);
  /// Answers who asked once what came before them has left.
  void answer_waiting();
  caf::result<void> answer_in_turn();
  /// To where the session's path leads.
  void send_out(outgoing_ptr batch);
  void open(incoming_datagrams& datagrams);
  /// What open() does after each chain.
  void opened(const instant& at);
  /// Makes a chain of the packets in it that are for the host, and passes it
  /// on.  `open_one` says what of the session is in a datagram.
  template <class Open>
  void open_chain(incoming_ptr batch, std::uint16_t first,
                  const routes& allowed, const instant& at, Open open_one);
  /// The same for datagrams that were opened elsewhere.
  void settle_chain(incoming_ptr batch, std::uint16_t first,
                    const routes& allowed, const instant& at);
  void pass_to_host(incoming_chain chain);
  /// The packet without its padding, and with what the mark of its datagram
  /// says; empty: it was dropped and counted.
  byte_span
  accept(byte_span packet, congestion_mark mark, const routes& allowed);
  void restore(const saved_session& from, bool has_identity);
  void begin();
  void stand_still(const freeze_peer& asked);
  /// Once all jobs have come back.
  void stand_still_in_turn(const freeze_peer& asked);
  void go_on();
  void wipe_keys();
  void wake(const instant& at);
  /// Has the host choose the local address again unless it is still right.
  void check_source();
  /// Of an ICMP message that counts, or a send that failed.
  void note_failure(const path_failed& failure);
  void note_too_big(const path_too_narrow& said);
  void change(const patch<peer_config>& changes);
  void change_origin(peer_origin origin);
  void configure(const endpoint& where, const instant& at);
  /// Drops what waits for a session, and is for prefixes of others `now`.
  void drop_lost(const routes& now);
  peer_state state() const;
  peer_report report(const report_request& request) const;
  /// Sends and arms what the session wants, to be called after each event.
  void follow_up(const instant& at);
  /// Asks to be woken then, unless that is before anyway.
  void arm(const std::optional<time_point>& when);
  /// Tells of what has changed since the last time, and notes what that means
  /// for the peer's health.
  void tell_events(const instant& at);
  void handshake_completed(const instant& at);
  /// Tells if there was no handshake for too long.
  void tell_silence(const instant& at);
  /// Whether more of them were sent, or one was answered, since the last time.
  bool initiations_changed(const instant& at);
  /// Notes if something authentic came since the last time.
  void hear(const instant& at);
  void endpoint_moved(const endpoint& to, const instant& at);
  /// After a handshake message: what it says of the peer's health.
  void note_handshake(const endpoint& from, const instant& at);
  /// Tells of the word and the reason, if they are news.
  void tell_health(const instant& at);
  /// How the peer's lines in the log begin.
  std::string line_start() const;
  /// A line at `debug` about a handshake message.
  void log_handshake(std::string_view what, message_type type,
                     const endpoint& where) const;
  void log_sent_handshakes(const datagram_buffer& sent) const;
  void tell(event_kind kind, const instant& at, std::string reason = {});
  /// For the next process, should this one end.
  void note();
  /// A packet of the peer's came from an address that it may not use.
  void note_refused(const ip_address& source, const instant& at);
  bool is_same_address(const peer_trouble& what) const;
  /// The sentence, with what is known of this host.
  std::string words_for(const peer_trouble& what) const;

  /// Sealed in its turn, with a session that was of this epoch.
  struct sealed_batch {
    outgoing_ptr batch;
    unsigned epoch = 0;
  };
  /// Opened, to be believed in its turn by a session of this epoch.
  struct opened_chain {
    incoming_ptr batch;
    std::uint16_t first = 0;
    std::uint16_t size = 0;
    routes_ptr allowed;
    unsigned epoch = 0;
  };
  /// Is given once the lines have come so far.
  struct waiting_answer {
    ticket_number sealing = 0;
    ticket_number opening = 0;
    caf::response_promise promise;
  };

  workspace_ptr space_;
  peer_neighbours neighbours_;
  std::uint32_t slot_;
  // Copies of what the registry has: for events and reports.
  std::string name_;
  std::string endpoint_host_; ///< empty: it is no name
  bool frozen_ = false;       ///< nothing leaves: another process is to go on
  bool restored_ = false;     ///< until the peer is published: it goes on
  bool session_lost_;         ///< until the peer is published: begin a new one
  /// Until the peer is published: the keepalive that it will begin with.
  std::optional<std::chrono::seconds> initial_keepalive_;
  endpoint_turns turns_;
  endpoint_swings swings_;
  drop_log drop_lines_;
  peer_session session_;
  peer_health health_;
  std::optional<time_point> armed_;
  std::optional<ip_address> refused_source_; ///< of a packet in this chain
  /// The refused source that the host was asked about last.
  struct {
    ip_address source;
    bool is_ours = false; ///< the host has it, too
    std::optional<time_point> when{};
  } asked_about_;
  /// Batches of packets in the order in which they are to leave; empty: no job
  /// is under way.
  ticket_line<sealed_batch> sealing_;
  ticket_line<opened_chain> opening_; ///< as sealing_, for what comes in
  std::size_t batches_counted_ = 0;   ///< of sealing_, when it changed last
  std::size_t chains_counted_ = 0;    ///< of opening_
  std::vector<cipher_job_ptr> handed_over_; ///< and not heard of yet
  std::uint64_t packets_in_line_ = 0;       ///< of both
  unsigned line_epoch_ = 0; ///< of the session that jobs are under way for
  std::vector<waiting_answer> answers_; ///< the oldest first
  std::optional<freeze_peer> freezing_; ///< once all jobs have come back
  std::uint64_t too_big_ = 0;           ///< as in peer_status
  std::uint32_t path_mtu_ = 0; ///< as in peer_status, of the present path
  time_point path_mtu_told_{}; ///< when that was heard last

  /// What has been told of the session.
  struct {
    std::optional<wall_time> handshake;
    std::optional<endpoint> remote;
    unsigned unanswered = 0;
    std::uint64_t received = 0; ///< packets, when that was looked at last
    bool failing = false;
    unsigned unused_answers = 0;
    std::uint64_t given_up = 0;
  } told_;
};

} // namespace weft
