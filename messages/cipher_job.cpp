#include "messages/cipher_job.hpp"

#include "messages/peer.hpp"

namespace weft {

// -- who does it -------------------------------------------------------------

begun_job::~begun_job() {
  if (job_)
    job_->end(cipher_job::outcome::failed);
}

void begun_job::perform() {
  job_->perform();
  std::exchange(job_, nullptr)->end(cipher_job::outcome::done);
}

void begun_job::give_back() {
  std::exchange(job_, nullptr)->end(cipher_job::outcome::given_back);
}

void begun_job::call_off() {
  std::exchange(job_, nullptr)->end(cipher_job::outcome::called_off);
}

// -- the job -----------------------------------------------------------------

void cipher_job::clear() {
  what = {};
  owner = nullptr;
}

std::optional<begun_job> cipher_job::begin() {
  // A mailbox gives nothing back, so a job may be found in two places.  This is
  // also what tells a sanitizer that its content came from another thread.
  if (begun_.exchange(true, std::memory_order_acq_rel))
    return std::nullopt;
  return begun_job{cipher_job_ptr{this}};
}

void cipher_job::perform() {
  if (auto* seals = std::get_if<sealing>(&what)) {
    seal_batch(seals->order, seals->batch->datagrams);
  } else if (auto* opens = std::get_if<opening>(&what)) {
    transport_cipher cipher{opens->key};
    auto& datagrams = opens->batch->datagrams;
    for (auto number = opens->first; number != incoming_batch::end;
         number = datagrams[number].next) {
      auto& datagram = datagrams[number];
      if (receiver_of(datagram.bytes) == opens->index)
        datagram.opened = open_datagram(cipher, datagram.bytes);
    }
  }
}

void cipher_job::drop_keys() {
  if (auto* seals = std::get_if<sealing>(&what))
    seals->order.key.reset();
  else if (auto* opens = std::get_if<opening>(&what))
    opens->key.reset();
}

void cipher_job::end(outcome how) noexcept {
  if (how != outcome::given_back)
    drop_keys();
  outcome_ = how;
  const auto peer = std::exchange(owner, nullptr);
  ended_.store(true, std::memory_order_release);
  try {
    caf::anon_send(caf::actor_cast<peer_actor>(peer),
                   cipher_done{cipher_job_ptr{this}});
  } catch (const std::exception&) {
    // No memory: its peer sees it when something else happens to it.
  }
}

} // namespace weft
