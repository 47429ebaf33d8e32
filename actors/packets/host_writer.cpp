// Packets for the host, step by step:
//  1. join consecutive packets of a flow (coalescer);
//  2. write them to the device, and only then let go of the batch;
//  3. tell the peer what was refused, if anything was.
#include "actors/packets/host_writer.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

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
      take(*packets.chains);
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
      wants_help_ = asked.wanted && !helpers_.empty();
      change_writers();
    },
  };
}

void host_writer::on_exit() {
  helpers_.clear();
  held_.clear();
}

void host_writer::take(chains& all) {
  if (returning_)
    std::ranges::move(all, std::back_inserter(held_));
  else if (elsewhere_)
    pass_on(all);
  else
    std::ranges::for_each(all, [this](auto& chain) { write(chain); });
}

void host_writer::change_writers() {
  if (returning_ || wants_help_ == elsewhere_)
    return;
  elsewhere_ = wants_help_;
  if (elsewhere_)
    return; // all that came before is written
  returning_ = true;
  when_helpers_have_finished([this] {
    returning_ = false;
    auto held = std::exchange(held_, {});
    take(held);
    change_writers(); // it may be wanted otherwise by now
  });
}

void host_writer::pass_on(chains& all) {
  parts_.resize(helpers_.size());
  for (auto& chain : all) {
    auto& part = parts_[chain.peer.id() % parts_.size()];
    if (!part) {
      part = std::make_shared<chains>();
      part->reserve(all.size());
    }
    part->push_back(std::move(chain));
  }
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (parts_[i])
      caf::anon_send(helpers_[i], incoming_packets{std::move(parts_[i])});
  }
}

/// Of what they have been given up to now.
template <class Action>
void host_writer::when_helpers_have_finished(Action action) {
  const auto missing = std::make_shared<std::size_t>(helpers_.size());
  auto answered = [missing, action = std::move(action)]() mutable {
    if (--*missing == 0)
      action();
  };
  for (const auto& helper : helpers_)
    request(helper, caf::infinite, finish_writing{})
      .then(answered, [answered](const caf::error&) mutable { answered(); });
}

/// What came to this one was written as it came, unless it is held: then the
/// helpers answer for that first.
caf::result<void> host_writer::finish() {
  if (!elsewhere_ && !returning_)
    return caf::unit;
  auto promise = make_response_promise();
  when_helpers_have_finished(
    [promise]() mutable { promise.deliver(caf::unit_t{}); });
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
