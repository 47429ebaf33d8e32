#include "actors/peers/peer.hpp"

#include "config/saved_node.hpp"
#include "protocol/tunnel/trouble_words.hpp"

#include <algorithm>

namespace weft {

namespace {

/// What every network carries in one packet: RFC 8200, section 5; of IPv4 what
/// every host takes (RFC 791).
constexpr std::uint32_t least_path_mtu(ip_family family) {
  return family == ip_family::v4 ? 576 : 1280;
}
constexpr std::uint32_t largest_path_mtu = 65535;

/// What is not said again within this time may have changed, as the kernel
/// takes it.
constexpr auto path_mtu_lifetime = std::chrono::minutes{10};

} // namespace

peer::peer(caf::actor_config& config, io_loop_ptr loop, workspace_ptr space,
           peer_neighbours neighbours,
           // NOLINTNEXTLINE(performance-unnecessary-value-param)
           std::shared_ptr<const identity> self, std::uint32_t slot,
           const session_ended& former, const peer_config& wanted,
           const peer_beginning& beginning)
  : hosted(config, std::move(loop)), space_(std::move(space)),
    neighbours_(std::move(neighbours)), slot_(slot), name_(wanted.name),
    endpoint_host_(host_text(wanted.endpoint)),
    session_lost_(former.memory.session_lost),
    initial_keepalive_(wanted.persistent_keepalive),
    drop_lines_(space_->lines, {}),
    session_(self, wanted.public_key, *space_->indices, slot,
             former.memory.generation, this->loop().random(), &space_->staging,
             &space_->leads_into_tunnel),
    health_(former.up_until) {
  session_.set_preshared_key(wanted.preshared_key);
  session_.set_other_preshared_keys(beginning.other_preshared_keys);
  change_origin(beginning.origin);
  auto found = beginning.found;
  if (const auto numeric = numeric_of(wanted.endpoint))
    found = numeric;
  if (found)
    session_.set_endpoint(*found);
  session_.resume(former.memory);
  turns_.configure(found);
  drop_lines_.rename(line_start());
  session_.drops_watched_by(&drop_lines_);
  if (session_.path())
    told_.remote = session_.path()->remote;
  const auto now = this->loop().now();
  health_.identity_changed(self != nullptr, now);
  health_.endpoint_known(told_.remote, now);
  if (beginning.saved)
    restore(*beginning.saved, self != nullptr);
}

void peer::restore(const saved_session& from, bool has_identity) {
  session_.restore(from.session);
  const auto now = loop().now();
  health_ = peer_health{from.up_until};
  health_.identity_changed(has_identity, now);
  too_big_ = from.too_big;
  path_mtu_ = from.path_mtu;
  path_mtu_told_ = from.path_mtu_told;
  told_.handshake = session_.last_handshake();
  told_.remote.reset();
  if (session_.path())
    told_.remote = session_.path()->remote;
  told_.unanswered = session_.unanswered();
  told_.received = session_.received().packets;
  told_.unused_answers = session_.unused_answers();
  told_.given_up = session_.handshakes_given_up();
  health_.endpoint_known(told_.remote, now);
  initial_keepalive_.reset();
  session_lost_ = false;
  restored_ = true;
}

// NOLINTNEXTLINE(readability-function-size): an entry for each message
peer::behavior_type peer::make_behavior() {
  return {
    [this](outgoing_packets& packets) { seal(packets); },
    [this](incoming_datagrams& datagrams) { open(datagrams); },
    [this](const cipher_done&) {
      const auto moment = loop().moment();
      if (take_ended(moment))
        opened(moment); // it may send what nobody would after standing still
    },
    [this](const packets_refused& refused) {
      session_.count_drop(drop_reason::device_busy, refused.busy);
      session_.count_drop(drop_reason::device_rejected, refused.rejected);
    },
    [this](const initiation_received& message) {
      if (frozen_)
        return;
      const auto moment = loop().moment();
      log_handshake("received from", message_type::initiation,
                    message.path.remote);
      session_.receive(*message.claim, message.path, moment);
      follow_up(moment);
      note_handshake(message.path.remote, moment);
    },
    [this](const answer_received& answer) {
      if (frozen_)
        return;
      const auto moment = loop().moment();
      auto message = answer.message;
      const auto bytes = byte_span{message.bytes}.first(message.size);
      if (const auto type = wire::classify(bytes))
        log_handshake("received from", *type, message.path.remote);
      session_.receive(bytes, message.path, moment);
      follow_up(moment);
      note_handshake(message.path.remote, moment);
    },
    [this](const wrong_key_claimed& seen) {
      const auto moment = loop().moment();
      health_.found(trouble::wrong_key_used{seen.from}, moment.now);
      tell_health(moment);
    },
    [this](const deadline_passed&) {
      const auto moment = loop().moment();
      armed_.reset();
      if (frozen_)
        return;
      session_.handle_deadlines(moment);
      follow_up(moment);
      tell_silence(moment);
      arm(health_.next_deadline());
    },
    [this](const source_lost&) { session_.forget_source(); },
    [this](const host_routes_changed&) { check_source(); },
    [this](const session_wanted&) {
      if (frozen_)
        return;
      const auto moment = loop().moment();
      wake(moment);
      follow_up(moment);
    },
    [this](const handshake_wanted&) {
      const auto moment = loop().moment();
      session_.initiate_handshake(moment);
      follow_up(moment);
    },
    [this](const path_failed& failure) { note_failure(failure); },
    [this](const path_too_narrow& said) { note_too_big(said); },
    [this](const peer_published&) { begin(); },
    [this](const patch<peer_config>& changes) -> caf::result<void> {
      change(changes);
      return caf::unit;
    },
    [this](const origin_changed& changed) { change_origin(changed.origin); },
    [this](const endpoint_found& found) {
      const auto moment = loop().moment();
      configure(found.where, moment);
      follow_up(moment);
    },
    [this](const change_identity& changed) -> caf::result<void> {
      const auto moment = loop().moment();
      session_.set_identity(changed.speaker());
      health_.identity_changed(changed.speaker() != nullptr, moment.now);
      session_.start(moment);
      follow_up(moment);
      return caf::unit;
    },
    [this](const prefixes_lost& lost) -> caf::result<void> {
      drop_lost(*lost.snapshot);
      return answer_in_turn();
    },
    [this](const freeze_peer& asked) { stand_still_in_turn(asked); },
    [this](const thaw&) { go_on(); },
    [this](const forget_keys&) { wipe_keys(); },
    [this](const report_request& request) { return report(request); },
  };
}

void peer::on_exit() {
  if (space_->desk)
    space_->desk->call_off(this);
  session_.count_drop(drop_reason::expired_session,
                      std::exchange(packets_in_line_, 0));
  handed_over_.clear();
  sealing_.clear();
  opening_.clear();
  count_lines();
  // Let go of at last: the registry takes then what it knows of this peer.
  const auto freezing = std::exchange(freezing_, std::nullopt);
  answer_waiting();
  // CAF sends it before the down message, in whose turn it is read.
  if (neighbours_.registry)
    send(neighbours_.registry,
         session_ended{session_.memory(), health_.up_until(),
                       session_.drops()});
  wipe_keys();
  if (neighbours_.timer)
    send(neighbours_.timer,
         arm_deadline{slot_, std::nullopt, caf::actor_cast<peer_actor>(this)});
  neighbours_ = {};
}

void peer::seal(outgoing_packets& packets) {
  if (frozen_)
    return; // all that was read before has been dealt with
  const auto at = loop().moment();
  if (space_->desk
      && (!sealing_.empty()
          || packets.batch->datagrams.used() >= cipher_job::least)) {
    seal_in_turn(packets, at);
    return;
  }
  auto batch = std::move(packets.batch);
  const auto status = session_.send(batch->datagrams, at);
  if (status == peer_session::send_status::sealed && !batch->datagrams.empty())
    send_out(std::move(batch));
  follow_up(at);
}

void peer::send_out(outgoing_ptr batch) {
  caf::anon_send(neighbours_.socket,
                 outgoing_datagrams{std::move(batch), *session_.path(),
                                    caf::actor_cast<peer_actor>(this)});
}

void peer::open(incoming_datagrams& datagrams) {
  if (frozen_)
    return; // as in seal()
  const auto at = loop().moment();
  if (!space_->desk || !open_in_turn(datagrams, at))
    open_chain(std::move(datagrams.batch), datagrams.first, *datagrams.allowed,
               at, [this, &at](const incoming_batch::datagram& datagram) {
                 return session_.open(datagram.bytes, at);
               });
  opened(at);
}

void peer::opened(const instant& at) {
  follow_up(at);
  if (const auto source = std::exchange(refused_source_, std::nullopt))
    note_refused(*source, at);
}

void peer::pass_to_host(incoming_chain chain) {
  if (auto packets = space_->for_host.add(std::move(chain)); packets.chains)
    caf::anon_send(neighbours_.writer, std::move(packets));
}

void peer::settle_chain(incoming_ptr batch, std::uint16_t first,
                        const routes& allowed, const instant& at) {
  open_chain(std::move(batch), first, allowed, at,
             [this, &at](const incoming_batch::datagram& datagram) {
               return session_.settle(datagram.bytes, datagram.opened, at);
             });
}

template <class Open>
void peer::open_chain(incoming_ptr batch, std::uint16_t first,
                      const routes& allowed, const instant& at, Open open_one) {
  auto& datagrams = batch->datagrams;
  auto for_host = incoming_batch::end;
  auto* link = &for_host; // where the number of the next packet goes
  auto number = first;
  while (number != incoming_batch::end) {
    // A run of datagrams from one sender.
    const auto path = datagrams[number].path;
    const auto mark = batch->paths[path].mark;
    auto any = false;
    auto data = false;
    while (number != incoming_batch::end && datagrams[number].path == path) {
      auto& datagram = datagrams[number];
      const auto opened = open_one(datagram);
      any = any || opened.status != peer_session::open_status::dropped;
      const auto next = datagram.next;
      if (opened.status == peer_session::open_status::packet) {
        data = true;
        datagram.bytes = accept(opened.packet, mark, allowed);
        if (!datagram.bytes.empty()) {
          *link = number;
          link = &datagram.next;
        }
      }
      number = next;
    }
    if (any)
      session_.authenticated(batch->paths[path], data, at);
    else if (batch->paths[path].remote == turns_.configured())
      wake(at); // the other side does not know yet that the session has ended
  }
  *link = incoming_batch::end;
  if (for_host != incoming_batch::end)
    pass_to_host(
      {std::move(batch), for_host, caf::actor_cast<peer_actor>(this)});
}

byte_span
peer::accept(byte_span packet, congestion_mark mark, const routes& allowed) {
  const auto view = parse_ip_packet(packet);
  if (!view) {
    session_.count_drop(drop_reason::malformed_inner, 1, {packet});
    return {};
  }
  if (allowed.slot_of(view->source) != slot_) {
    session_.count_drop(drop_reason::wrong_source, 1, {packet});
    refused_source_ = view->source;
    return {};
  }
  if (!tells_nothing(mark) && !take_over(mark, packet)) {
    session_.count_drop(drop_reason::congested, 1, {packet});
    return {};
  }
  return packet.first(view->length);
}

void peer::stand_still(const freeze_peer& asked) {
  frozen_ = true;
  boxed<saved_session> left;
  left.emplace();
  left->session = session_.save();
  leave_out_counters(left->session);
  left->up_until = health_.up_until();
  left->too_big = too_big_;
  left->path_mtu = path_mtu_;
  left->path_mtu_told = path_mtu_told_;
  // All of it or nothing: it may have failed on the way.
  asked.into->peers[asked.number].session = std::move(left);
}

void peer::wipe_keys() {
  session_.set_identity(nullptr); // with all that were agreed on
  session_.set_preshared_key({});
  session_.set_other_preshared_keys({});
}

void peer::go_on() {
  freezing_.reset();
  if (!std::exchange(frozen_, false))
    return;
  const auto at = loop().moment();
  session_.handle_deadlines(at);
  follow_up(at);
  tell_silence(at);
  arm(health_.next_deadline());
}

void peer::begin() {
  if (std::exchange(restored_, false)) {
    const auto at = loop().moment();
    follow_up(at);
    arm(health_.next_deadline());
    note();
    return;
  }
  if (!initial_keepalive_)
    return; // it has
  const auto at = loop().moment();
  session_.set_persistent_keepalive(*std::exchange(initial_keepalive_, {}), at);
  // The other side goes on with the session of the actor that failed.
  if (std::exchange(session_lost_, false))
    session_.initiate_handshake(at);
  follow_up(at);
  arm(health_.next_deadline()); // of the actor before
}

/// May be called as often as strangers like: no handshake begins while there is
/// a session or another handshake, nor within 5 s of the last.
void peer::wake(const instant& at) {
  if (turns_.configured())
    session_.wake(*turns_.configured(), at);
}

void peer::check_source() {
  const auto& path = session_.path();
  if (path && path->local && !space_->source_holds(*path, loop().now()))
    session_.forget_source();
}

void peer::note_failure(const path_failed& failure) {
  const auto at = loop().moment();
  if (!failure.initiation)
    health_.send_error(failure.code, failure.where, at.now);
  else if (session_.awaits_answer(*failure.initiation))
    health_.network_error(failure.code, failure.where, at.now);
  tell_health(at);
  follow_up(at);
}

/// Anybody can forge it: it is a hint for people, and changes nothing else.
void peer::note_too_big(const path_too_narrow& said) {
  if (!session_.path() || session_.path()->remote != said.where
      || !session_.may_have_sent({said.quoted.data(), said.quoted_size}))
    return;
  ++too_big_;
  const auto least = least_path_mtu(said.where.address.family);
  if (said.mtu != 0) {
    path_mtu_ = std::clamp(said.mtu, least, largest_path_mtu);
    path_mtu_told_ = loop().now();
  }
}

void peer::change(const patch<peer_config>& changes) {
  const auto at = loop().moment();
  if (const auto* name = changes.find(&peer_config::name)) {
    name_ = *name;
    drop_lines_.rename(line_start());
  }
  if (const auto* key = changes.find(&peer_config::preshared_key))
    session_.set_preshared_key(*key);
  if (changes.other_preshared_keys)
    session_.set_other_preshared_keys(*changes.other_preshared_keys);
  if (const auto* where = changes.find(&peer_config::endpoint)) {
    endpoint_host_ = host_text(*where);
    if (const auto numeric = numeric_of(*where))
      configure(*numeric, at);
    else if (!*where)
      turns_.configure({}); // the session goes on where it is
  }
  if (const auto* interval = changes.find(&peer_config::persistent_keepalive)) {
    if (initial_keepalive_)
      initial_keepalive_ = *interval;
    else
      session_.set_persistent_keepalive(*interval, at);
  }
  follow_up(at);
}

/// Others have told the network where its peers are, and may be wrong.
void peer::change_origin(peer_origin origin) {
  session_.limit_unproven(origin == peer_origin::network ? &space_->unproven
                                                         : nullptr);
}

void peer::configure(const endpoint& where, const instant& at) {
  turns_.configure(where);
  swings_.redirected(where);
  session_.redirect(where, at);
  initiations_changed(at); // it has had no time to answer
}

void peer::drop_lost(const routes& now) {
  session_.unstage([this, &now](const_byte_span packet) {
    const auto view = parse_ip_packet(packet);
    return view && now.slot_of(view->destination) == slot_;
  });
}

peer_state peer::state() const {
  peer_state result;
  result.word = health_.word();
  const auto at = loop().moment();
  if (const auto reason = health_.reason(at.now)) {
    result.reason = words_for(*reason);
    result.cause
      = is_same_address(*reason) ? cause::same_address : cause_of(*reason);
  }
  result.since = at.wall
                 - std::chrono::duration_cast<wall_time::duration>(
                   at.now - health_.since());
  result.tries = session_.unanswered();
  return result;
}

peer_report peer::report(const report_request& request) const {
  peer_report result;
  result.slot = slot_;
  auto& status = result.status;
  status.name = name_;
  status.public_key = session_.key();
  status.state = state();
  if (request.secrets)
    status.preshared_key = session_.psk();
  if (session_.path())
    status.endpoint = session_.path()->remote;
  status.endpoint_host = endpoint_host_;
  status.persistent_keepalive = session_.persistent_keepalive();
  status.last_handshake = session_.last_handshake();
  if (const auto created = session_.session_created())
    status.session_age = std::chrono::duration_cast<std::chrono::seconds>(
      loop().now() - *created);
  status.rx_bytes = session_.received().bytes;
  status.tx_bytes = session_.sent().bytes;
  status.rx_packets = session_.received().packets;
  status.tx_packets = session_.sent().packets;
  status.round_trip = static_cast<std::uint32_t>(
    std::chrono::duration_cast<std::chrono::microseconds>(session_.round_trip())
      .count());
  if (loop().now() - path_mtu_told_ < path_mtu_lifetime)
    status.path_mtu = path_mtu_;
  status.too_big = too_big_;
  result.drops = session_.drops();
  return result;
}

void peer::follow_up(const instant& at) {
  if (frozen_)
    return;
  if (!sealing_.empty() || !opening_.empty())
    tend_lines(at);
  while (session_.has_transmit() && session_.path()) {
    // Rare and small: not worth a buffer of the pool.
    outgoing_ptr batch{new outgoing_batch(session_.transmit_size())};
    session_.poll_transmit(batch->datagrams, at);
    log_sent_handshakes(batch->datagrams);
    if (!batch->datagrams.empty())
      send_out(std::move(batch));
  }
  arm(session_.next_deadline());
  tell_events(at);
  answer_waiting();
}

void peer::arm(const std::optional<time_point>& when) {
  // A later deadline than the armed one needs no message: the armed one wakes
  // us early, and then we see.
  if (!when || (armed_ && *armed_ <= *when))
    return;
  armed_ = when;
  send(neighbours_.timer,
       arm_deadline{slot_, when, caf::actor_cast<peer_actor>(this)});
}

void peer::note() {
  send(neighbours_.registry, session_noted{session_.memory()});
}

} // namespace weft
