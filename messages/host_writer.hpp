// The host writer: what it is told and asked.
#pragma once

#include "messages/peer.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace weft {

/// A chain of `batch` that holds packets of one peer for the host.  The `bytes`
/// of each are an inner packet without padding by now, decrypted and with a
/// source address that the peer may use.
struct incoming_chain {
  incoming_ptr batch;
  std::uint16_t first = 0;
  peer_actor peer; ///< hears what of it was refused
};

/// peer -> host_writer: chains in the order of their arrival.
struct incoming_packets {
  std::shared_ptr<std::vector<incoming_chain>> chains;
};

/// What the peers of a lane have for the host.  The first of them sends it, and
/// as long as it is under way the others add theirs: many peers with a packet
/// each cost one message.  Of one thread, which is the writer's, too.
class host_outbox {
public:
  /// What is to be sent; nothing (null): it is under way already.
  incoming_packets add(incoming_chain chain) {
    auto message = under_way_.lock();
    chains_->push_back(std::move(chain));
    if (message)
      return {};
    // The chains end with the message, whatever becomes of that: each holds a
    // peer, and so all that this belongs to.
    message
      = {chains_.get(), [owner = chains_](auto* chains) { chains->clear(); }};
    under_way_ = message;
    return {std::move(message)};
  }

private:
  std::shared_ptr<std::vector<incoming_chain>> chains_
    = std::make_shared<std::vector<incoming_chain>>();
  std::weak_ptr<std::vector<incoming_chain>> under_way_;
};

/// overlay -> host_writer: what the device takes joined from now on.
struct join_packets {
  bool tcp = true;
  bool udp = true;
};

/// udp_port -> host_writer: whether its helpers write from now on, instead of
/// itself.
struct write_elsewhere {
  bool wanted = true;
};

/// registry -> host_writer: answered once all packets that came before are with
/// the host (or gathered, where a consumer takes them).
struct finish_writing {};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::incoming_packets)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::join_packets)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::write_elsewhere)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::finish_writing)

namespace weft {

/// Gives packets to the host.
using host_writer_actor = caf::typed_actor<
  // packets of peers; it empties the message
  caf::reacts_to<incoming_packets>, caf::reacts_to<join_packets>,
  // from the registry: a change is in force once this is answered
  caf::replies_to<finish_writing>::with<void>>;

/// One with helpers.
using helped_writer_actor
  = host_writer_actor::extend<caf::reacts_to<write_elsewhere>>;

} // namespace weft
