// What the overlay is told of the network's peers, and tells.
#include "actors/network/membership.hpp"
#include "messages/errors.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <span>

namespace weft {

namespace {

using namespace std::chrono_literals;

/// A change of many other peers is many events.
constexpr auto foreign_settle = 1s;
constexpr auto status_interval = 1s;
/// Before the overlay is asked again, while it has too much to do.
constexpr auto busy_pause = 1s;
/// Before it is told again of peers that it has refused.
constexpr auto refused_pause = 30s;

/// Whole days, rounded up.
std::int64_t days_until(network_time end, network_time now) {
  return std::chrono::ceil<std::chrono::days>(end - now).count();
}

} // namespace

// -- what it tells -----------------------------------------------------------

void membership::overlay_failed(const caf::error& reason) {
  options_.log->error("network: the overlay does not answer: {}",
                      error_message(reason));
  if (begun_->pending())
    begun_->deliver(reason);
}

void membership::subscribe_to_events() {
  request(overlay_, caf::infinite,
          subscribe{caf::actor_cast<event_subscriber>(this)})
    .then([] {}, [this](const caf::error& reason) { overlay_failed(reason); });
}

void membership::read_status(std::uint32_t first, std::function<void()> then) {
  request(overlay_, caf::infinite, get_status{first, get_status::most})
    .then(
      [this, then = std::move(then)](const device_status& page) {
        note(page);
        if (page.next_peer > 0)
          read_status(page.next_peer, then);
        else
          then();
      },
      [this](const caf::error& reason) { overlay_failed(reason); });
}

void membership::note(const device_status& page) {
  places_.interface = page.interface;
  places_.port = page.listen_port;
  peers_.set_port(page.listen_port);
  const auto& key = identity_.contents().key;
  other_key_ = page.public_key != public_key{} && page.public_key != key;
  for (const auto& peer : page.peers) {
    if (!told_first_)
      seen_peers_.insert(peer.public_key);
    if (peer.state.word == peer_word::up)
      told_first_ ? peers_.is_up(peer.public_key)
                  : peers_.was_up_before(peer.public_key);
    else if (peer.state.word == peer_word::failing)
      peers_.fails(peer.public_key);
    else
      peers_.is_down(peer.public_key);
  }
}

void membership::read_foreign(std::function<void()> then) {
  request(overlay_, caf::infinite, get_foreign_peers{})
    .then(
      [this, then = std::move(then)](foreign_peers& others) {
        again_.insert(others.deprived.begin(), others.deprived.end());
        if (others.peers == foreign_ && again_.empty())
          return;
        foreign_ = std::move(others.peers);
        std::vector<foreign_peer> all;
        all.reserve(foreign_.size());
        for (const auto& each : foreign_)
          all.push_back({each.key, each.prefixes});
        knowledge_.view().set_foreign(std::move(all));
        then();
      },
      [this](const caf::error& reason) { overlay_failed(reason); });
}

void membership::read_foreign_soon() {
  if (!told_first_ || std::exchange(foreign_asked_, true))
    return;
  call_at(loop().now() + foreign_settle, [this] {
    foreign_asked_ = false;
    look_at_foreign();
  });
}

void membership::look_at_foreign() {
  read_foreign([this] {
    // What others were in the way of may have room now.
    again_.insert(not_taken_.begin(), not_taken_.end());
    update_soon();
  });
}

/// How those are to be that the overlay has otherwise; who is no peer any more
/// is removed.
std::vector<peer_change> membership::take_again() {
  std::vector<peer_change> changes;
  if (again_.empty())
    return changes;
  auto gone = std::exchange(again_, {});
  for (const auto& [id, peer] : knowledge_.view().peers())
    if (gone.erase(peer.key) != 0)
      changes.emplace_back(peer_added{peer});
  for (const auto& key : gone)
    changes.emplace_back(peer_removed{{}, key});
  return changes;
}

void membership::happened(const event_batch& batch) {
  for (const auto& event : batch.events)
    happened(event);
}

void membership::happened(const overlay_event& event) {
  switch (event.kind) {
    case event_kind::peer_up:
    case event_kind::handshake_completed:
      peers_.is_up(event.peer);
      break;
    case event_kind::peer_down:
      peers_.is_down(event.peer);
      break;
    case event_kind::peer_state_changed:
      if (event.reason.starts_with(to_string(peer_word::failing)))
        peers_.fails(event.peer);
      else if (event.reason.starts_with(to_string(peer_word::up)))
        peers_.is_up(event.peer);
      else
        peers_.is_down(event.peer);
      break;
    case event_kind::config_applied:
      read_status(0, [this] { describe(); });
      read_foreign_soon();
      break;
    case event_kind::peer_added:
      if (!peers_.contains(event.peer))
        read_foreign_soon();
      break;
    case event_kind::peer_removed:
      read_foreign_soon();
      break;
    case event_kind::events_lost:
      subscribe_to_events();
      read_status(0, [this] { try_candidates(); });
      read_foreign_soon();
      break;
    default:
      break;
  }
  try_candidates();
}

// -- what it is told ---------------------------------------------------------

void membership::update_soon() {
  if (std::exchange(update_set_, true))
    return;
  const auto earliest
    = last_update_ ? *last_update_ + options_.limits.update : loop().now();
  call_at(std::max(earliest, loop().now()), [this] {
    update_set_ = false;
    update();
  });
}

/// Of what is known now.  What comes while the overlay is busy comes together
/// afterwards.
void membership::update() {
  if (!told_first_ && last_update_)
    return; // the first one is under way
  const bool waits_for_disk
    = (lists_dirty_ || lists_in_write_) && disk_trouble_.empty();
  if (!batches_.empty() || waits_for_disk) {
    update_wanted_ = true;
    return;
  }
  update_wanted_ = false;
  const bool is_first = !last_update_;
  last_update_ = loop().now();
  const auto changes = knowledge_.view().update(clock());
  tell_of_contested();
  auto patches = peers_.follow(changes, knowledge_.epochs());
  auto again = peers_.follow(take_again(), knowledge_.epochs());
  std::move(again.begin(), again.end(), std::back_inserter(patches));
  if (std::exchange(rekey_, false)) {
    auto keys = peers_.rekey(knowledge_.epochs());
    std::move(keys.begin(), keys.end(), std::back_inserter(patches));
  }
  if (is_first)
    remove_leftovers(patches);
  else
    tell_of(changes);
  change_peers(std::move(patches));
  look_at_secret();
  tell_status_soon();
}

/// Peers that the network had when the membership ran before, and has no more.
void membership::remove_leftovers(member_peers::patches& patches) {
  for (const auto& each : foreign_)
    seen_peers_.erase(each.key);
  member_peers::patches all;
  for (const auto& key : std::exchange(seen_peers_, {})) {
    if (peers_.contains(key))
      continue;
    auto& change = all.emplace_back();
    change.public_key = key;
    change.verb = peer_verb::remove;
  }
  std::move(patches.begin(), patches.end(), std::back_inserter(all));
  patches = std::move(all);
}

void membership::tell(event_kind kind, const public_key& peer,
                      const std::string& name, std::string reason) {
  overlay_event event;
  event.kind = kind;
  event.when = loop().wall();
  event.peer = peer;
  event.peer_name = name;
  event.reason = std::move(reason);
  send(overlay_, std::move(event));
}

void membership::tell_of(const std::vector<peer_change>& changes) {
  const auto& members = knowledge_.view().members();
  for (const auto& each : changes) {
    if (const auto* added = std::get_if<peer_added>(&each)) {
      tell(event_kind::member_added, added->peer.key, added->peer.name,
           added->peer.name);
    } else if (const auto* changed = std::get_if<peer_changed>(&each)) {
      tell(event_kind::member_changed, changed->peer.key, changed->peer.name,
           changed->peer.name);
    } else {
      const auto& gone = std::get<peer_removed>(each);
      const auto known = members.find(gone.id);
      std::string name;
      std::string why;
      if (known != members.end()) {
        name = known->second.certificate.contents.name;
        why = known->second.refusal ? known->second.refusal->what : name;
      }
      tell(event_kind::member_removed, gone.key, name, why);
    }
  }
}

void membership::tell_of_contested() {
  constexpr std::size_t most = 16;
  const auto& members = knowledge_.view().members();
  const auto all = knowledge_.view().take_contested();
  for (const auto& id : std::span{all}.first(std::min(all.size(), most)))
    if (const auto& refusal = members.at(id).refusal)
      options_.log->warn("network: {}: it is no peer of the network here",
                         refusal->what);
  if (all.size() > most)
    options_.log->warn("network: {} more members are no peers of the network "
                       "here, for the same reason",
                       all.size() - most);
}

void membership::tell_of_ends() {
  auto& view = knowledge_.view();
  for (const auto& id : view.take_notices()) {
    const auto& certificate = view.members().at(id).certificate;
    const auto days = days_until(certificate.until, view.now());
    tell(event_kind::certificate_expires, certificate.contents.key,
         certificate.contents.name,
         "the certificate of '" + certificate.contents.name + "' ends within "
           + std::to_string(std::max<std::int64_t>(days, 0))
           + (days == 1 ? " day" : " days"));
  }
}

void membership::change_peers(member_peers::patches patches) {
  if (!patches.empty())
    batches_.push_back(std::move(patches));
  send_next();
}

void membership::send_next() {
  if (sending_)
    return;
  if (batches_.empty()) {
    if (begun_->pending()) {
      begun_->deliver(caf::unit);
      begin_talk();
    }
    if (update_wanted_)
      update_soon();
    return;
  }
  sending_ = true;
  device_update update;
  update.peers = batches_.front();
  update.origin = peer_origin::network;
  request(overlay_, caf::infinite, std::move(update))
    .then(
      [this] {
        sending_ = false;
        batch_taken();
        send_next();
      },
      [this](const caf::error& reason) {
        if (error_code(reason) == EBUSY) {
          // Others change it all the time: the same again.
          call_at(loop().now() + busy_pause, [this] {
            sending_ = false;
            send_next();
          });
          return;
        }
        sending_ = false;
        batch_refused(reason);
        send_next();
      });
}

void membership::batch_taken() {
  if (!not_taken_.empty())
    for (const auto& each : batches_.front())
      not_taken_.erase(each.public_key);
  batches_.pop_front();
}

/// One peer that cannot be made keeps the others from nothing: the batch is
/// tried in halves.
void membership::batch_refused(const caf::error& reason) {
  auto batch = std::move(batches_.front());
  batches_.pop_front();
  if (batch.size() == 1) {
    one_refused(batch.front(), reason);
    return;
  }
  const auto middle
    = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
  batches_.emplace_front(std::make_move_iterator(middle),
                         std::make_move_iterator(batch.end()));
  batch.erase(middle, batch.end());
  batches_.push_front(std::move(batch));
}

/// It is said once, and tried again: one that was removed must not stay.
void membership::one_refused(const patch<peer_config>& change,
                             const caf::error& reason) {
  if (not_taken_.insert(change.public_key).second) {
    const auto* name = change.find(&peer_config::name);
    options_.log->warn(
      "network: the overlay does not {} the peer {}, which is tried again: {}",
      change.verb == peer_verb::remove ? "remove" : "take",
      name != nullptr && !name->empty() ? *name : to_string(change.public_key),
      error_message(reason));
  }
  if (std::exchange(retry_set_, true))
    return;
  call_at(loop().now() + refused_pause, [this] {
    retry_set_ = false;
    again_.insert(not_taken_.begin(), not_taken_.end());
    update_soon();
  });
}

void membership::try_candidates() {
  if (candidates_set_ || !peers_.has_failing())
    return;
  candidates_set_ = true;
  change_peers(peers_.try_next());
  call_at(loop().now() + options_.limits.candidate, [this] {
    candidates_set_ = false;
    try_candidates();
  });
}

// -- status ------------------------------------------------------------------

void membership::tell_status_soon() {
  if (!told_first_ || std::exchange(status_set_, true))
    return;
  call_at(loop().now() + status_interval, [this] {
    status_set_ = false;
    tell_status();
  });
}

void membership::tell_status() {
  const auto& view = knowledge_.view();
  network_status status;
  status.name = std::get<root_contents>(identity_.root.contents).name;
  status.member = identity_.contents().name;
  status.directory = directory_;
  status.trouble = trouble();
  status.since = since_;
  status.members = view.members().size();
  status.peers = view.peers().size();
  status.certificate_ends = identity_.own.until;
  status.list_issued = view.list_issued(
    std::get<issuer_contents>(identity_.issuer.contents).name);
  status.clock_suspect = view.clock_suspect();
  status.epoch = knowledge_.epochs().newest();
  for (const auto& [reason, count] : knowledge_.refused_so_far())
    status.refused.push_back({reason, count});
  if (status == last_status_)
    return;
  last_status_ = status;
  send(overlay_, network_changed{std::move(status)});
}

/// What stands most in the way.
std::string membership::trouble() const {
  const auto& view = knowledge_.view();
  const auto* self = view.self();
  const std::string join_again
    = "'weft network leave --force', then 'weft network join' with a token";
  if (other_key_)
    return "the interface has another private key than the certificate is of: "
           "give it its former key, or "
           + join_again;
  if (self != nullptr && self->refusal
      && self->refusal->why == refusal::revoked)
    return "this node was removed from the network; to come back: "
           + join_again;
  if (refused_as_ == refusal::revoked)
    return "this node was removed from the network, as its directory says; to "
           "come back: "
           + join_again;
  if (double_at_ && loop().now() < *double_at_ + double_memory)
    return std::string{used_twice};
  if (self == nullptr
      || (self->refusal && self->refusal->why == refusal::expired)
      || identity_.own.until <= view.now())
    return "this node's certificate does not count any more: " + join_again;
  const auto& disk = disk_trouble_.empty() ? items_trouble_ : disk_trouble_;
  if (!disk.empty())
    return "what the network tells is not kept for a restart: " + disk;
  if (view.clock_suspect() && identity_.own.until <= clock())
    return "either this node's clock is wrong: set it; or it was away for so "
           "long that its certificate has ended: "
           + join_again + (missed_.empty() ? "" : " (" + missed_ + ")");
  if (view.clock_suspect())
    return "this node's clock is far from what others have signed: set it";
  if (directory_.empty())
    return missed_;
  if (lacks_secret())
    return "this node lacks the secret of the preshared keys, which its issuer "
           "was asked for; if it does not come: "
           + join_again;
  if (recovering_)
    return "the directory is being recovered: 'weft network recover' there";
  if (cut_off_)
    return "the directory is cut off from its store, and nothing new is heard "
           "from it until that is mended";
  const auto issued = view.list_issued(
    std::get<issuer_contents>(identity_.issuer.contents).name);
  if (issued && view.now() - *issued > old_revocation_age)
    return "the list of removed members is older than a day: does the issuer "
           "run?";
  return {};
}

} // namespace weft
