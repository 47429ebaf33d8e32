// A peer's packets while other threads seal and open them.  A full batch gets
// its counters and a ticket, and goes to a cipher worker; what comes back
// leaves in the order of the tickets, and so does what is done here meanwhile.
// The other way a long chain is opened by a worker, and only believed in its
// turn: window, endpoint and inner source are looked at then.  With no ticket
// given out everything is as if there were no workers.
#include "actors/peers/peer.hpp"
#include "messages/errors.hpp"

#include <cerrno>

namespace weft {

namespace {

struct chain_extent {
  std::size_t bytes = 0;
  std::uint16_t datagrams = 0;
};

chain_extent extent_of(const incoming_batch& batch, std::uint16_t first) {
  chain_extent all;
  for (auto number = first; number != incoming_batch::end;
       number = batch.datagrams[number].next) {
    all.bytes += batch.datagrams[number].bytes.size();
    ++all.datagrams;
  }
  return all;
}

/// Whether one who waits would take what is left to others, where so many wait
/// already.  A pass of the reader may take all batches of the pool, which says
/// nothing of who waits.
bool is_scarce(const outgoing_batch& batch, const workspace& space) {
  const auto used = space.batches_in_line + cipher_desk::left_for_others;
  return used / space.readers >= batch.size_of_pool();
}

/// The same.  A batch may have chains of many peers, who all wait; and without
/// any the device may have all batches.
bool is_scarce(const incoming_batch& batch, std::size_t waiting) {
  return batch.left_in_pool() < cipher_desk::left_for_others
         && waiting + cipher_desk::left_for_others >= batch.size_of_pool();
}

} // namespace

// -- out ---------------------------------------------------------------------

void peer::seal_in_turn(outgoing_packets& packets, const instant& at) {
  auto batch = std::move(packets.batch);
  const auto would_take_the_last = [&] {
    return !sealing_.empty() && packets.contended && is_scarce(*batch, *space_);
  };
  if (would_take_the_last())
    take_ended(at);
  if (would_take_the_last()) {
    session_.count_drop(drop_reason::queue_full, batch->datagrams.size());
    return;
  }
  const auto job = batch->datagrams.used() >= cipher_job::least
                     ? space_->desk->find_place(at.now)
                     : nullptr;
  if (!job) {
    const auto status = session_.send(batch->datagrams, at);
    if (status == peer_session::send_status::sealed
        && !batch->datagrams.empty())
      send_in_turn(std::move(batch));
  } else if (auto order = session_.reserve(batch->datagrams, at)) {
    job->size = batch->datagrams.size();
    job->what = cipher_job::sealing{std::move(batch), std::move(*order)};
    hand_over(job, sealing_.reserve(), at);
    count_lines();
  }
  follow_up(at);
}

void peer::send_in_turn(outgoing_ptr batch) {
  if (sealing_.empty()) {
    send_out(std::move(batch));
    return;
  }
  packets_in_line_ += batch->datagrams.size();
  sealing_.complete(sealing_.reserve(), {std::move(batch), session_.epoch()});
  count_lines();
}

void peer::send_ready() {
  while (auto next = sealing_.pop_ready()) {
    const auto packets = next->batch->datagrams.size();
    packets_in_line_ -= packets;
    if (next->epoch == session_.epoch())
      send_out(std::move(next->batch));
    else
      session_.count_drop(drop_reason::expired_session, packets);
  }
  count_lines();
}

// -- in ----------------------------------------------------------------------

bool peer::open_in_turn(incoming_datagrams& datagrams, const instant& at) {
  const auto all = extent_of(*datagrams.batch, datagrams.first);
  const auto job = all.bytes >= cipher_job::least
                     ? space_->desk->find_place(at.now)
                     : nullptr;
  if (!job && opening_.empty())
    return false;
  auto batch = std::move(datagrams.batch);
  if (!opening_.empty() && is_scarce(*batch, space_->chains_in_line)) {
    session_.count_drop(drop_reason::overload, all.datagrams);
    return true;
  }
  opened_chain chain{
    {}, incoming_batch::end, 0, std::move(datagrams.allowed), session_.epoch()};
  auto* link = &chain.first;
  const keypair* keys = nullptr; // that the job is done with
  for (auto number = datagrams.first; number != incoming_batch::end;
       number = batch->datagrams[number].next) {
    auto& datagram = batch->datagrams[number];
    auto* admitted = session_.admit(datagram.bytes, at);
    if (admitted == nullptr)
      continue;
    if (job && keys == nullptr)
      keys = admitted;
    if (admitted != keys) // few: the session has just been renewed
      datagram.opened = open_datagram(admitted->receive, datagram.bytes);
    *link = number;
    link = &datagram.next;
    ++chain.size;
  }
  *link = incoming_batch::end;
  if (chain.size == 0) {
    const auto& from = batch->datagrams[datagrams.first].path;
    if (batch->paths[from].remote == turns_.configured())
      wake(at); // as in open_chain()
    return true;
  }
  const auto ticket = opening_.reserve();
  if (!job) {
    packets_in_line_ += chain.size;
    chain.batch = std::move(batch);
    opening_.complete(ticket, std::move(chain));
    count_lines();
    return true;
  }
  job->size = chain.size;
  job->what = cipher_job::opening{std::move(batch), chain.first,
                                  std::move(chain.allowed), keys->local_index,
                                  keys->receive.sharing_key()};
  hand_over(job, ticket, at);
  count_lines();
  return true;
}

void peer::take_ready(const instant& at) {
  while (auto next = opening_.pop_ready()) {
    packets_in_line_ -= next->size;
    if (next->epoch == session_.epoch())
      settle_chain(std::move(next->batch), next->first, *next->allowed, at);
    else
      session_.count_drop(drop_reason::expired_session, next->size);
  }
  count_lines();
}

// -- either way --------------------------------------------------------------

void peer::count_lines() {
  const auto count
    = [](std::size_t& in_all, std::size_t& counted, std::size_t now) {
        in_all -= std::exchange(counted, now);
        in_all += now;
      };
  count(space_->batches_in_line, batches_counted_, sealing_.size());
  count(space_->chains_in_line, chains_counted_, opening_.size());
}

void peer::hand_over(const cipher_job_ptr& job, ticket_number ticket,
                     const instant& at) {
  job->ticket = ticket;
  job->epoch = session_.epoch();
  job->owner = caf::actor_cast<caf::actor>(this);
  packets_in_line_ += job->size;
  line_epoch_ = job->epoch;
  handed_over_.push_back(job);
  space_->desk->hand_over(job, this, at.now);
}

/// Also of those whose news stands in the mailbox behind packets, or found no
/// memory.
bool peer::take_ended(const instant& at) {
  const auto taken = std::erase_if(handed_over_, [this](const auto& job) {
    if (!job->has_ended())
      return false;
    take_back(*job);
    return true;
  });
  if (taken == 0)
    return false;
  send_ready();
  take_ready(at);
  return true;
}

void peer::take_back(cipher_job& job) {
  auto* seals = std::get_if<cipher_job::sealing>(&job.what);
  auto how = job.ended();
  if (how == cipher_job::outcome::given_back) {
    how = cipher_job::outcome::called_off;
    if (job.epoch == session_.epoch()) {
      job.perform();
      how = cipher_job::outcome::done;
    }
  }
  if (how == cipher_job::outcome::done) {
    if (seals != nullptr) {
      sealing_.complete(job.ticket, {std::move(seals->batch), job.epoch});
    } else {
      auto& opens = std::get<cipher_job::opening>(job.what);
      opening_.complete(job.ticket, {std::move(opens.batch), opens.first,
                                     static_cast<std::uint16_t>(job.size),
                                     std::move(opens.allowed), job.epoch});
    }
  } else if (seals != nullptr ? sealing_.cancel(job.ticket)
                              : opening_.cancel(job.ticket)) {
    packets_in_line_ -= job.size;
    session_.count_drop(how == cipher_job::outcome::failed
                          ? drop_reason::worker_failed
                          : drop_reason::expired_session,
                        job.size);
  }
  job.clear();
}

/// Handshakes and keepalives overtake, packets that have waited for a session
/// do not.
void peer::tend_lines(const instant& at) {
  if (std::exchange(line_epoch_, session_.epoch()) != session_.epoch())
    space_->desk->call_off(this);
  take_ended(at);
  if (sealing_.empty())
    return;
  while (session_.has_packets() && session_.path()) {
    outgoing_ptr batch{new outgoing_batch(session_.transmit_size())};
    session_.poll_packets(batch->datagrams, at);
    if (!batch->datagrams.empty())
      send_in_turn(std::move(batch));
  }
}

/// All that was routed to the peer before has left it then.
caf::result<void> peer::answer_in_turn() {
  if (sealing_.empty() && opening_.empty())
    return caf::unit;
  auto promise = make_response_promise();
  answers_.push_back({sealing_.next(), opening_.next(), promise});
  return promise;
}

/// To be called last: whoever stands still sends nothing any more.
void peer::answer_waiting() {
  while (!answers_.empty() && answers_.front().sealing <= sealing_.first()
         && answers_.front().opening <= opening_.first()) {
    answers_.front().promise.deliver(caf::unit_t{});
    answers_.erase(answers_.begin());
  }
  if (freezing_ && sealing_.empty() && opening_.empty()) {
    stand_still(*freezing_);
    freezing_.reset();
  }
}

/// Counters of jobs are used, and received ones are in the window, once all
/// have come back.
void peer::stand_still_in_turn(const freeze_peer& asked) {
  if (sealing_.empty() && opening_.empty())
    stand_still(asked);
  else
    freezing_ = asked;
}

} // namespace weft
