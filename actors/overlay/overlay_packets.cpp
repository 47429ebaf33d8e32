// What the overlay decides of how packets travel: offloads, the MTU that
// follows the routes, and checksums that come wrong.
#include "actors/host/automatic_mtu.hpp"
#include "actors/overlay/offloads.hpp"
#include "actors/overlay/overlay.hpp"
#include "config/foresight.hpp"
#include "config/interface_checks.hpp"
#include "config/validate.hpp"
#include "platform/checksum_errors.hpp"
#include "platform/kernel_release.hpp"

namespace weft {

using namespace std::chrono_literals;

namespace {

/// Addresses of peers and counters of the host are looked at so often.
constexpr auto between_rounds = 5s;

/// Routes are asked for no more often.
constexpr auto between_questions = 1s;

} // namespace

void overlay::look_around_later() {
  call_at(loop().now() + between_rounds, [this] {
    follow_routes();
    look_at_checksums();
    look_at_helpers_part(false);
    look_around_later();
  });
}

// -- offloads ----------------------------------------------------------------

caf::result<config_changes>
overlay::change_offloads(const offload_config& offloads) {
  if (trial_)
    return on_trial();
  if (is_being_handed_over())
    return being_handed_over();
  if (auto mistake = validate(offloads))
    return to_error(std::move(*mistake));
  config_changes changes;
  changes.notes = describe_change(options_.config.offloads, offloads);
  if (changes.notes.empty())
    return changes;
  use_offloads(offloads);
  ++changes_made_;
  for (const auto& each : offload_report({{"udp send", false, {}}}))
    if (!each.reason.empty())
      changes.notes.push_back("no " + each.name + ": " + each.reason);
  return changes;
}

void overlay::use_offloads(const offload_config& offloads) {
  const auto before = std::exchange(options_.config.offloads, offloads);
  if (const auto& tun = resources_->tun) {
    tun->set_offloads(offloads.tun != offload_mode::off);
    for (const auto& each : lanes_) {
      send(each.writer,
           join_packets{tun->has_tcp_offload(), tun->has_udp_offload()});
      for (const auto& reader : each.readers) {
        if (offloads.uring != before.uring)
          read_in_groups(reader);
      }
    }
  }
  use_features();
}

void overlay::read_in_groups(const tun_reader_actor& reader) {
  const auto wanted = options_.config.offloads.uring;
  send(reader, read_groups{wanted != offload_mode::off});
}

void overlay::use_features() {
  const auto wanted = features_for(options_.config, kernel_release());
  for (const auto& each : lanes_)
    send(each.socket, weft::use_features{wanted});
}

std::vector<offload_use>
overlay::offload_report(std::vector<offload_use> of_sockets) const {
  const auto& wanted = options_.config.offloads;
  auto all = use_of_tun(wanted.tun, resources_->tun.get());
  const auto doubt = why_not_joined(wanted.udp, kernel_release());
  for (auto& each : of_sockets) {
    if (each.name == "udp send" && !each.in_use && each.reason.empty())
      each.reason = doubt;
    all.push_back(std::move(each));
  }
  return all;
}

// -- the MTU -----------------------------------------------------------------

void overlay::follow_routes() {
  if (options_.config.interface.mtu != automatic_mtu || routes_asked_later_)
    return;
  const auto due = routes_asked_ + between_questions;
  if (due > loop().now()) {
    routes_asked_later_ = call_at(due, [this] {
      routes_asked_later_ = {};
      follow_routes();
    });
    return;
  }
  routes_asked_ = loop().now();
  request(registry_, caf::infinite, addresses_request{})
    .then([this](const peer_addresses& peers) { fit_mtu(peers.all); },
          [](const caf::error&) {});
}

std::uint32_t overlay::mtu_for(const device_settings& to) const {
  if (to.interface.mtu != automatic_mtu)
    return to.interface.mtu;
  // Else the host refuses what of IPv6 is to be there, before it is chosen
  // anew.
  return carries_ipv6(to.interface, to.networks)
           ? std::max(automatic_mtu_, least_ipv6_mtu)
           : automatic_mtu_;
}

void overlay::fit_mtu(const std::vector<ip_address>& peers) {
  const auto& config = options_.config.interface;
  if (config.mtu != automatic_mtu || !changes_.empty())
    return; // the end of a change asks again
  const auto& tun = resources_->tun;
  const auto& host = resources_->host;
  const auto found = choose_mtu(peers, carries_ipv6(config, networks_), fwmark_,
                                tun ? tun->interface_index() : 0);
  const auto chosen = found.value_or(chosen_mtu{automatic_mtu_, {}});
  if (chosen.mtu == automatic_mtu_ || (tun && (!host || !resources_->link)))
    return;
  if (host) {
    const auto changed = host->change_mtu(chosen.mtu);
    if (!changed) {
      if (std::exchange(mtu_refused_, chosen.mtu) != chosen.mtu)
        options_.log->warn("{}", changed.error().message);
      return;
    }
  }
  options_.log->info("{}: MTU {} -> {}: {}", resources_->interface,
                     automatic_mtu_, chosen.mtu, chosen.reason);
  automatic_mtu_ = chosen.mtu;
  set_mtu(chosen.mtu);
}

// -- checksums ---------------------------------------------------------------

void overlay::look_at_checksums() {
  struct collection {
    std::uint64_t lost = 0;
    std::size_t missing = 0;
  };
  auto all = std::make_shared<collection>();
  all->missing = lanes_.size() + 1;
  const auto ask = [&](const auto& port) {
    request(port, caf::infinite, report_request{})
      .then(
        [this, all](const drop_report& report) {
          all->lost += report.lost;
          if (--all->missing == 0)
            note_checksums(all->lost);
        },
        [](const caf::error&) {});
  };
  for (const auto& each : lanes_)
    ask(each.socket);
  ask(strangers_);
}

void overlay::note_checksums(std::uint64_t lost) {
  const auto told
    = checksums_.look(count_checksum_errors(), lost, loop().now());
  if (told)
    options_.log->warn(
      "{}: UDP datagrams come with wrong checksums, {} of late, and the node's "
      "socket loses some: the kernel or the card of a sender mangles what "
      "leaves together; there, switch it off (offloads.udp: off)",
      resources_->interface, *told);
}

} // namespace weft
