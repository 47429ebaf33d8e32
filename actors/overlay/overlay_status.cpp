// What the overlay tells of itself.  Peers report on the loop that carries
// their packets, so however many ask, and however often, that costs a bounded
// share of the loop: those who want the same are told together, four times a
// second at most; reports that differ are collected one after the other, and
// there is a budget of peers.  wg(8), which only root can use, does not wait.
#include "actors/overlay/overlay.hpp"
#include "messages/errors.hpp"
#include "platform/tun_device.hpp"

#include <algorithm>
#include <cerrno>

namespace weft {

using namespace std::chrono_literals;

namespace {

/// From one report to the next of the same kind.
constexpr auto report_interval = 250ms;

/// A report may begin when the work of those before has been shared out up to
/// this far ahead.
constexpr auto most_paid_ahead = 1s;

/// Far more than a report takes, so that reports take a few percent of a loop.
constexpr auto price_of_report = 1ms;
constexpr auto price_of_peer = 30us;

/// Requests that may wait.
constexpr std::size_t most_reports = 1024;

/// What has come so far of a report.
struct collection {
  device_status status;
  drop_counters drops;
  std::size_t missing = 0;
  caf::error failure;
};

/// Readers have pools of their own, which are told of as one.
void add_pool(std::vector<pool_use>& all, const pool_use& of_part) {
  const auto known = std::find_if(all.begin(), all.end(), [&](const auto& use) {
    return use.pool == of_part.pool;
  });
  if (known == all.end()) {
    all.push_back(of_part);
    return;
  }
  known->size += of_part.size;
  known->used += of_part.used;
  known->exhausted += of_part.exhausted;
}

/// Lanes are alike: those of one are enough.
void add_offloads(std::vector<offload_use>& all,
                  const std::vector<offload_use>& of_part) {
  for (const auto& use : of_part) {
    if (std::none_of(all.begin(), all.end(), [&](const offload_use& known) {
          return known.name == use.name;
        }))
      all.push_back(use);
  }
}

/// What one of the actors that packets pass says.
void add_part(collection& all, const drop_report& part,
              std::size_t device_loops) {
  all.drops.add(part.drops);
  if (part.pool)
    add_pool(all.status.pools, *part.pool);
  all.status.send_queue += part.send_queue;
  add_offloads(all.status.offloads, part.offloads);
  if (part.cores) {
    all.status.cores = *part.cores;
    all.status.cores.in_use += device_loops;
  }
}

} // namespace

caf::result<device_status> overlay::status(const report_request& asked) {
  if (reports_waiting_ >= most_reports)
    return make_error(EBUSY, "too many wait for the status");
  auto found
    = std::find_if(rounds_.begin(), rounds_.end(), [&](const round_ptr& round) {
        return round->asked == asked;
      });
  if (found == rounds_.end()) {
    rounds_.push_back(std::make_shared<report_round>());
    found = rounds_.end() - 1;
    (*found)->asked = asked;
  }
  (*found)->waiting.push_back(make_response_promise());
  ++reports_waiting_;
  start_reports();
  return caf::delegated<device_status>{};
}

void overlay::start_reports() {
  const auto now = loop().now();
  std::erase_if(rounds_, [now](const round_ptr& round) {
    return !round->under_way && round->waiting.empty()
           && now - round->began.value_or(now) >= report_interval;
  });
  // What a report costs is known when it has been collected.
  const auto busy
    = std::any_of(rounds_.begin(), rounds_.end(), [](const round_ptr& round) {
        return round->under_way && !round->asked.secrets;
      });
  auto ready = rounds_.end();
  std::optional<time_point> next;
  for (auto each = rounds_.begin(); each != rounds_.end(); ++each) {
    const auto& round = *each;
    if (round->under_way || round->waiting.empty())
      continue;
    if (round->asked.secrets) {
      collect_report(round);
      continue;
    }
    auto due = std::max<time_point>(now, reports_paid_ - most_paid_ahead);
    if (round->began)
      due = std::max<time_point>(due, *round->began + report_interval);
    if (due > now)
      next = next ? std::min(*next, due) : due;
    else if (ready == rounds_.end())
      ready = each;
  }
  if (busy)
    return; // its end brings us here again
  if (ready != rounds_.end()) {
    // The others go first next time.
    std::rotate(ready, ready + 1, rounds_.end());
    collect_report(rounds_.back());
    return;
  }
  if (!next || next_report_)
    return;
  next_report_ = call_at(*next, [this] {
    next_report_ = {};
    start_reports();
  });
}

device_status overlay::own_status(bool secrets) {
  device_status status;
  status.interface = resources_->interface;
  status.version = WEFT_VERSION;
  status.started = started_;
  status.addresses = options_.config.interface.addresses;
  if (self_) {
    status.public_key = self_->public_static();
    if (secrets)
      status.private_key = self_->private_static();
  }
  status.listen = options_.config.interface.listen;
  status.listen_port = port_;
  status.fwmark = fwmark_;
  if (resources_->tun && !resources_->link) {
    if (const auto mtu = resources_->tun->mtu())
      set_mtu(*mtu);
  }
  status.mtu = mtu_;
  status.remote_control = remote_control_;
  report_routes(status);
  status.link_up = link_up_;
  status.access = access_;
  status.network = network_;
  status.bad_checksums = checksums_.count();
  report_lock(status);
  return status;
}

void overlay::begin_report(report_round& round) {
  round.under_way = true;
  round.began = loop().now();
  round.present = std::exchange(round.waiting, {});
  reports_paid_ = std::max(reports_paid_, *round.began) + price_of_report;
}

void overlay::collect_report(const round_ptr& round) {
  begin_report(*round);
  const auto& asked = round->asked;
  auto all = std::make_shared<collection>();
  all->status = own_status(asked.secrets);
  if (!asked.secrets && asked.first_peer == 0)
    report_host(all->status);
  auto collected = [this, all, round] {
    if (--all->missing > 0)
      return;
    if (all->failure) {
      finish_report(round, caf::make_message(std::move(all->failure)));
      return;
    }
    all->status.drops = to_counts(all->drops, true);
    all->status.offloads = offload_report(std::move(all->status.offloads));
    if (!round->asked.secrets)
      reports_paid_ += price_of_peer * all->status.peers.size();
    finish_report(round, caf::make_message(std::move(all->status)));
  };
  auto failed = [all, collected](caf::error& reason) {
    all->failure = std::move(reason);
    collected();
  };
  auto add_drops = [device_loops = resources_->device_loops.size(), all,
                    collected](const drop_report& report) {
    add_part(*all, report, device_loops);
    collected();
  };
  all->missing = 4;
  for (const auto& each : lanes_) {
    all->missing += 1 + each.readers.size();
    for (const auto& reader : each.readers)
      request(reader, caf::infinite, asked).then(add_drops, failed);
    request(each.socket, caf::infinite, asked).then(add_drops, failed);
  }
  request(strangers_, caf::infinite, asked).then(add_drops, failed);
  request(gate_, caf::infinite, asked).then(add_drops, failed);
  request(events_, caf::infinite, asked)
    .then(
      [all, collected](event_report& report) {
        all->status.events = std::move(report.counts);
        all->status.events_lost = report.lost;
        collected();
      },
      failed);
  request(registry_, caf::infinite, asked)
    .then(
      [all, collected](registry_report& report) {
        all->drops.add(report.drops);
        all->status.peers = std::move(report.peers);
        all->status.next_peer = report.next_peer;
        collected();
      },
      failed);
}

/// All who asked share one answer.
void overlay::finish_report(const round_ptr& round,
                            const caf::message& answer) {
  round->under_way = false;
  reports_waiting_ -= round->present.size();
  for (auto& promise : std::exchange(round->present, {}))
    promise.deliver(answer);
  start_reports();
}

} // namespace weft
