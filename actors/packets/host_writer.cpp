// Packets for the host, step by step:
//  1. join consecutive packets of a flow (coalescer);
//  2. write them to the device, and only then let go of the batch;
//  3. tell the peer what was refused, if anything was.
#include "actors/packets/host_writer.hpp"

namespace weft {

namespace {

std::size_t length_of(const incoming_batch& batch, std::uint16_t first) {
  std::size_t length = 0;
  for (auto number = first; number != incoming_batch::end;
       number = batch.datagrams[number].next)
    ++length;
  return length;
}

} // namespace

packet_sink sink_into(std::shared_ptr<const tun_device> tun) {
  return {{tun->has_tcp_offload(), tun->has_udp_offload()},
          [tun = std::move(tun)](const super_packet& packet) {
            return tun->write(packet.header, packet.fragments);
          }};
}

host_writer::host_writer(caf::actor_config& config, io_loop_ptr loop,
                         packet_sink sink,
                         std::vector<host_writer_actor> helpers)
  : hosted(config, std::move(loop)), sink_(std::move(sink)),
    helpers_(std::move(helpers)), joiner_(sink_.offloads) {
}

host_writer::behavior_type host_writer::make_behavior() {
  return {
    [this](const incoming_packets& packets) {
      if (is_helped()) {
        pass_on(*packets.chains);
      } else {
        for (auto& chain : *packets.chains)
          write(chain);
      }
      packets.chains->clear();
    },
    [this](const join_packets& wanted) {
      for (const auto& helper : helpers_)
        send(helper, wanted);
      sink_.offloads = {wanted.tcp, wanted.udp};
      joiner_ = coalescer{sink_.offloads}; // between messages it is empty
    },
    [this](const finish_writing&) { return finish(); },
    [this](const write_elsewhere& asked) {
      elsewhere_ = asked.wanted && !helpers_.empty();
    },
  };
}

void host_writer::on_exit() {
  helpers_.clear();
}

void host_writer::pass_on(chains& all) {
  std::vector<std::shared_ptr<chains>> parts(helpers_.size());
  for (auto& chain : all) {
    auto& part = parts[chain.peer.id() % parts.size()];
    if (!part) {
      under_way_->fetch_add(1, std::memory_order_relaxed);
      part = {new chains, [counter = under_way_](chains* written) {
                delete written; // with its batches, also if nobody took it
                counter->fetch_sub(1, std::memory_order_release);
              }};
    }
    part->push_back(std::move(chain));
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i])
      caf::anon_send(helpers_[i], incoming_packets{std::move(parts[i])});
  }
}

/// What came to this one was written as it came.
caf::result<void> host_writer::finish() {
  if (!is_helped())
    return caf::unit;
  auto promise = make_response_promise();
  const auto missing = std::make_shared<std::size_t>(helpers_.size());
  auto answered = [missing, promise]() mutable {
    if (--*missing == 0)
      promise.deliver(caf::unit_t{});
  };
  for (const auto& helper : helpers_)
    request(helper, caf::infinite, finish_writing{})
      .then(answered, [answered](const caf::error&) mutable { answered(); });
  return promise;
}

void host_writer::write(incoming_chain& chain) {
  const auto batch = std::move(chain.batch);
  handed_over_ = 0;
  refused_ = {};
  try {
    write_joined(*batch, chain.first);
  } catch (const std::exception&) {
    joiner_ = coalescer{sink_.offloads};
    refused_.rejected += length_of(*batch, chain.first) - handed_over_;
  }
  if (refused_.busy + refused_.rejected > 0)
    caf::anon_send(chain.peer, refused_);
}

void host_writer::write_joined(const incoming_batch& batch,
                               std::uint16_t first) {
  for (auto number = first; number != incoming_batch::end;
       number = batch.datagrams[number].next)
    joiner_.add(batch.datagrams[number].bytes);
  joiner_.flush([this](const super_packet& packet) { write_to_sink(packet); });
}

void host_writer::write_to_sink(const super_packet& packet) {
  const auto status = sink_.write(packet);
  const auto packets = packet.fragments.size();
  handed_over_ += packets;
  switch (status) {
    case tun_device::io_status::ok:
      break;
    case tun_device::io_status::rejected:
      refused_.rejected += packets;
      break;
    case tun_device::io_status::would_block:
    case tun_device::io_status::not_up:
    case tun_device::io_status::lost: // the reader notices and says so
      refused_.busy += packets;
      break;
  }
}

} // namespace weft
