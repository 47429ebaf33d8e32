#include "actors/peers/peer_directory.hpp"

#include "protocol/network/ranges.hpp"
#include "protocol/tunnel/receiver_index.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <stdexcept>
#include <unordered_set>
#include <utility>

namespace weft {

namespace {

constexpr std::size_t max_slots = receiver_index_codec::max_slots;

bool is_everything(const ip_prefix& prefix) {
  return prefix.length == 0;
}

} // namespace

// -- questions ---------------------------------------------------------------

std::optional<peer_directory::slot_number>
peer_directory::slot_of(const public_key& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? std::nullopt : std::optional{found->second};
}

std::vector<ip_prefix> peer_directory::entry::stated_allowed_ips() const {
  std::vector<ip_prefix> stated;
  std::ranges::set_difference(allowed, implied, std::back_inserter(stated));
  return stated;
}

std::string peer_directory::shown_name(slot_number slot) const {
  const auto& known = *slots_[slot];
  auto name = known.config.name;
  if (!known.is_networks() || name.empty())
    return name;
  const auto alike = network_named(name);
  constexpr std::size_t enough = 8; // characters of a key
  if (alike.size() > 1 && slot != *std::ranges::min_element(alike))
    name += '@' + to_string(known.config.public_key).substr(0, enough);
  while (sides_[0].names.contains(name))
    name += "@network";
  return name;
}

std::vector<peer_directory::slot_number>
peer_directory::network_named(const std::string& name) const {
  std::vector<slot_number> found;
  const auto [from, to] = sides_[1].names.equal_range(name);
  for (auto each = from; each != to; ++each)
    found.push_back(each->second);
  return found;
}

std::string peer_directory::label(slot_number slot) const {
  auto name = shown_name(slot);
  return name.empty() ? to_string(slots_[slot]->config.public_key) : name;
}

std::optional<std::string>
peer_directory::find_breach(const patch<peer_config>& of) const {
  if (const auto slot = slot_of(of.public_key);
      slot && !slots_[*slot]->is_networks())
    return "its key is that of '" + label(*slot) + "'";
  const auto* all = of.find(&peer_config::default_route);
  if (all != nullptr && *all)
    return "it wants the host's whole traffic";
  for (const auto& change : of.allowed_ips) {
    if (change.remove)
      continue;
    if (leads_all(change.prefix))
      return to_string(change.prefix) + " is the host's whole traffic";
    if (const auto* clash = sides_[0].find_clash(change.prefix))
      return to_string(change.prefix) + " overlaps " + to_string(clash->first)
             + " of '" + label(clash->second) + "'";
  }
  return std::nullopt;
}

// -- sides -------------------------------------------------------------------

void peer_directory::side::rename(slot_number slot, const std::string& from,
                                  const std::string& to) {
  if (from == to)
    return;
  const auto [begin, end] = names.equal_range(from);
  const auto former = std::find_if(begin, end, [slot](const auto& each) {
    return each.second == slot;
  });
  if (former != end)
    names.erase(former);
  if (!to.empty())
    names.emplace(to, slot);
}

const std::pair<const ip_prefix, peer_directory::slot_number>*
peer_directory::side::find_clash(const ip_prefix& prefix) const {
  if (prefixes.empty())
    return nullptr;
  // What lies within it comes from it on, itself first ...
  const auto within = prefixes.lower_bound(prefix);
  if (within != prefixes.end() && excludes(within->first, prefix))
    return &*within;
  // ... and what it lies within is shorter.
  for (auto length = prefix.length; length-- > 0;) {
    const auto around
      = prefixes.find(ip_prefix{prefix.address, length}.network());
    if (around != prefixes.end() && excludes(around->first, prefix))
      return &*around;
  }
  return nullptr;
}

/// Returns the former owner, if another.
std::optional<peer_directory::slot_number>
peer_directory::give(const ip_prefix& prefix, slot_number to) {
  const auto former = prefixes_.insert(prefix, to);
  if (former)
    side_of(*former).prefixes.erase(prefix);
  if (has_network_)
    side_of(to).prefixes[prefix] = to;
  return former;
}

bool peer_directory::take(const ip_prefix& prefix, slot_number from) {
  if (!prefixes_.erase(prefix, from))
    return false;
  side_of(from).prefixes.erase(prefix);
  return true;
}

/// What excludes a prefix that a file or a command gives to another peer.
void peer_directory::take_from_network(const ip_prefix& prefix,
                                       prefix_changes& changes) {
  while (const auto* clash = sides_[1].find_clash(prefix)) {
    const auto [lost, loser] = *clash;
    take(lost, loser);
    slots_[loser]->allowed.erase(lost);
    deprived_.insert(slots_[loser]->config.public_key);
    changes.losers.insert(loser);
    if (changes.taken.size() < most_notes)
      changes.taken.emplace_back(lost, loser);
  }
}

void peer_directory::rename(slot_number slot, const std::string& from,
                            const std::string& to) {
  if (has_network_)
    side_of(slot).rename(slot, from, to);
}

void peer_directory::expect_network() {
  if (std::exchange(has_network_, true))
    return;
  for (slot_number slot = 0; slot < slots(); ++slot) {
    if (!slots_[slot])
      continue;
    for (const auto& prefix : slots_[slot]->allowed)
      side_of(slot).prefixes[prefix] = slot;
    side_of(slot).rename(slot, {}, slots_[slot]->config.name);
  }
}

void peer_directory::move_to_side(slot_number slot, peer_origin origin) {
  auto& known = *slots_[slot];
  if (known.is_networks())
    deprived_.insert(known.config.public_key);
  if (!has_network_) {
    known.origin = origin;
    return;
  }
  for (const auto& prefix : known.allowed)
    side_of(slot).prefixes.erase(prefix);
  side_of(slot).rename(slot, known.config.name, {});
  known.origin = origin;
  for (const auto& prefix : known.allowed)
    side_of(slot).prefixes[prefix] = slot;
  side_of(slot).rename(slot, {}, known.config.name);
}

std::optional<peer_directory::refusal>
peer_directory::check(const device_update& update) const {
  if (!has_room_for(update))
    return refusal{ENOSPC,
                   "too many peers: a device has room for "
                     + std::to_string(max_slots),
                   "peers"};
  const auto names_count = update.origin != peer_origin::network;
  if (const auto name = names_count ? doubled_name(update) : std::nullopt)
    return refusal{EEXIST,
                   "peer.name: another peer is called '" + *name
                     + "'; choose another name",
                   "peer.name"};
  if (const auto other = doubled_default_route(update))
    return refusal{EEXIST,
                   "peer.default_route: all traffic goes to '" + *other
                     + "' already, and can go to one peer only; set "
                       "default_route: false there first",
                   "peer.default_route"};
  return std::nullopt;
}

/// Peers that are there after it, whatever it adds.
std::size_t peer_directory::count_kept(const device_update& update) const {
  if (!update.replace_peers)
    return by_key_.size();
  std::size_t kept = 0;
  for (const auto& [key, slot] : by_key_)
    if (!replaces(update.origin, slots_[slot]->origin))
      ++kept;
  return kept;
}

bool peer_directory::has_room_for(const device_update& update) const {
  if (by_key_.size() + update.peers.size() <= max_slots)
    return true;
  std::unordered_set<public_key> added;
  for (const auto& peer : update.peers) {
    const auto slot = slot_of(peer.public_key);
    const auto is_kept
      = slot
        && (!update.replace_peers
            || !replaces(update.origin, slots_[*slot]->origin));
    if (peer.verb != peer_verb::remove && !is_kept)
      added.insert(peer.public_key);
  }
  return count_kept(update) + added.size() <= max_slots;
}

/// A name that two peers of files and commands would have then.  The network's
/// are told apart: shown_name().
std::optional<std::string>
peer_directory::doubled_name(const device_update& update) const {
  std::unordered_map<public_key, bool> keeps_name; // of those in the update
  std::unordered_set<std::string, keyed_text_hash> names;
  for (const auto& peer : update.peers) {
    const auto stays = peer.verb != peer_verb::remove;
    const auto* name = peer.find(&peer_config::name);
    keeps_name[peer.public_key] = stays && name == nullptr;
    if (stays && name != nullptr && !name->empty()
        && !names.insert(*name).second)
      return *name;
  }
  if (names.empty())
    return std::nullopt;
  for (const auto& [key, slot] : by_key_) {
    const auto& known = *slots_[slot];
    if (update.replace_peers || !replaces(update.origin, known.origin))
      continue; // the other side's names are told apart: shown_name()
    const auto named = keeps_name.find(key);
    if ((named == keeps_name.end() || named->second)
        && names.contains(known.config.name))
      return known.config.name;
  }
  return std::nullopt;
}

/// Whom all traffic would go to besides another one.
std::optional<std::string>
peer_directory::doubled_default_route(const device_update& update) const {
  std::unordered_map<public_key, bool> stated; // whether it is to have it
  std::size_t wanted = 0;
  for (const auto& peer : update.peers) {
    const auto* all = peer.find(&peer_config::default_route);
    if (all != nullptr || peer.verb == peer_verb::remove) {
      const bool has = all != nullptr && *all && peer.verb != peer_verb::remove;
      stated[peer.public_key] = has;
      wanted += has ? 1 : 0;
    }
  }
  if (wanted == 0)
    return std::nullopt;
  for (const auto& [key, slot] : by_key_) {
    const auto& known = *slots_[slot];
    if (update.replace_peers && replaces(update.origin, known.origin))
      continue;
    if (known.config.default_route && !stated.contains(key))
      return label(slot);
  }
  if (wanted == 1)
    return std::nullopt;
  const auto first = std::ranges::find(
    stated, true, &std::pair<const public_key, bool>::second);
  return to_string(first->first);
}

// -- changes -----------------------------------------------------------------

peer_directory::slot_number
peer_directory::add(const patch<peer_config>& change, peer_origin origin,
                    random_source& random) {
  return fill(take_slot(random), change, origin);
}

peer_directory::slot_number
peer_directory::add_at(slot_number slot, const patch<peer_config>& change,
                       peer_origin origin) {
  const auto place = std::find(free_slots_.rbegin(), free_slots_.rend(), slot);
  if (place == free_slots_.rend())
    throw std::logic_error("the slot of a peer is taken");
  free_slots_.erase(std::next(place).base());
  return fill(slot, change, origin);
}

void peer_directory::restore(std::vector<std::uint32_t> generations,
                             const std::vector<public_key>& deprived) {
  if (!slots_.empty() || generations.size() > max_slots)
    throw std::logic_error("slots are restored once, before peers are added");
  generations_ = std::move(generations);
  slots_.resize(generations_.size());
  for (auto slot = slots(); slot > 0; --slot)
    free_slots_.push_back(slot - 1); // the first one is taken first
  deprived_ = {deprived.begin(), deprived.end()};
  by_key_.reserve(slots_.size());
}

void peer_directory::forget_keys() {
  for (auto& slot : slots_) {
    if (!slot)
      continue;
    slot->config.preshared_key.wipe();
    slot->other_preshared_keys.clear();
  }
}

peer_directory::slot_number
peer_directory::fill(slot_number slot, const patch<peer_config>& change,
                     peer_origin origin) {
  if (origin == peer_origin::network)
    expect_network();
  auto& made = slots_[slot].emplace();
  change.apply_to(made.config);
  made.config.public_key = change.public_key;
  made.other_preshared_keys
    = change.other_preshared_keys.value_or(std::vector<preshared_key>{});
  made.address = numeric_of(made.config.endpoint);
  made.origin = origin;
  rename(slot, {}, made.config.name);
  by_key_[change.public_key] = slot;
  return slot;
}

peer_directory::key_changes
peer_directory::change_keys(slot_number slot, const patch<peer_config>& change,
                            peer_origin origin) {
  auto& known = *slots_[slot];
  const auto former = known.config;
  if (origin != peer_origin::network && origin != known.origin)
    move_to_side(slot, origin);
  change.apply_to(known.config);
  rename(slot, former.name, known.config.name);
  // The address of a new name is not known yet; until then the former one.
  const auto* where = change.find(&peer_config::endpoint);
  if (where != nullptr && host_text(*where).empty())
    known.address = numeric_of(*where);
  key_changes changes;
  if (const auto& others = change.other_preshared_keys;
      others && *others != known.other_preshared_keys) {
    known.other_preshared_keys = *others;
    changes.any = true;
  }
  for_each_field<peer_config>([&](const auto& row, auto) {
    if (former.*row.member == known.config.*row.member)
      return;
    changes.any = true;
    if (change.clears(row.member))
      changes.cleared.push_back(row.name);
  });
  return changes;
}

peer_directory::prefix_changes
peer_directory::change_allowed_ips(slot_number slot,
                                   const patch<peer_config>& change) {
  auto& allowed = slots_[slot]->allowed;
  const auto before = allowed;
  prefix_changes changes;
  for (const auto& prefix : std::exchange(slots_[slot]->implied, {})) {
    take(prefix, slot);
    allowed.erase(prefix);
  }
  if (change.replace_allowed_ips) {
    for (const auto& prefix : allowed)
      take(prefix, slot);
    allowed.clear();
    changes.losers.insert(slot);
  }
  for (const auto& [prefix, is_removed] : change.allowed_ips) {
    if (is_removed) {
      if (take(prefix, slot)) {
        allowed.erase(prefix);
        changes.losers.insert(slot);
      }
    } else if (prefixes_.find(prefix) != slot) {
      if (!slots_[slot]->is_networks())
        take_from_network(prefix, changes);
      if (const auto former = give(prefix, slot)) {
        slots_[*former]->allowed.erase(prefix);
        slots_[*former]->implied.erase(prefix);
        changes.losers.insert(*former);
        if (changes.moved.size() < most_notes)
          changes.moved.emplace_back(prefix, *former);
      }
      allowed.insert(prefix);
    }
  }
  imply_everything(slot);
  changes.any = allowed != before;
  if (!std::ranges::includes(allowed, before)) {
    changes.losers.insert(slot);
    if (std::ranges::any_of(before, is_everything))
      imply_what_is_free();
  }
  return changes;
}

/// A peer that all traffic goes to is allowed all addresses, of both families
/// if its allowed IPs do not say of which.
void peer_directory::imply_everything(slot_number slot) {
  auto& known = *slots_[slot];
  const auto is_stated = [&known](const ip_prefix& prefix) {
    return is_everything(prefix) && !known.implied.contains(prefix);
  };
  if (!known.config.default_route
      || std::ranges::any_of(known.allowed, is_stated))
    return;
  for (const auto family : {ip_family::v4, ip_family::v6}) {
    const ip_prefix all{ip_address{family, {}}, 0};
    if (prefixes_.find(all))
      continue; // another peer has it
    give(all, slot);
    known.allowed.insert(all);
    known.implied.insert(all);
  }
}

/// What another peer had before comes to the one that all traffic goes to.
void peer_directory::imply_what_is_free() {
  for (slot_number slot = 0; slot < slots(); ++slot)
    if (slots_[slot])
      imply_everything(slot);
}

void peer_directory::set_address(slot_number slot, const endpoint& address) {
  slots_[slot]->address = address;
}

peer_directory::departure peer_directory::remove(slot_number slot) {
  const auto& gone = *slots_[slot];
  const bool frees_all = std::ranges::any_of(gone.allowed, is_everything);
  for (const auto& prefix : gone.allowed)
    take(prefix, slot);
  rename(slot, gone.config.name, {});
  by_key_.erase(gone.config.public_key);
  slots_[slot].reset();
  if (frees_all)
    imply_what_is_free();
  leaving_[++last_departure_] = slot;
  return last_departure_;
}

patch<peer_config> peer_directory::whole(const patch<peer_config>& change) {
  auto result = change;
  for_each_field<peer_config>([&](const auto& row, auto) {
    using value = std::remove_cvref_t<decltype(peer_config{}.*row.member)>;
    if constexpr (is_stated_in_patch<value>) {
      if (result.find(row.member) == nullptr)
        result.clear(row.member);
    }
  });
  result.replace_allowed_ips = true;
  if (!result.other_preshared_keys)
    result.other_preshared_keys.emplace();
  return result;
}

void peer_directory::has_left(departure who, std::uint32_t generation) {
  const auto found = leaving_.find(who);
  if (found == leaving_.end())
    return; // another peer has its slot already
  generations_[found->second] = generation;
  free_slots_.push_back(found->second);
  leaving_.erase(found);
}

peer_directory::slot_number peer_directory::take_slot(random_source& random) {
  if (free_slots_.empty() && slots_.size() < max_slots) {
    const auto slot = slots();
    slots_.emplace_back();
    if (generations_.size() < slots_.size())
      generations_.push_back(random.next_u32());
    return slot;
  }
  if (!free_slots_.empty()) {
    const auto slot = free_slots_.back();
    free_slots_.pop_back();
    return slot;
  }
  // All are taken, but some by peers that are about to end: far away from the
  // receiver indices that these may still use.
  if (leaving_.empty())
    throw std::logic_error("there is no slot for another peer");
  const auto slot = leaving_.begin()->second;
  leaving_.erase(leaving_.begin());
  generations_[slot] += 1U << (receiver_index_codec::generation_bits - 1);
  return slot;
}

void peer_directory::shrink() {
  if (!by_key_.empty() || !leaving_.empty())
    return;
  std::vector<std::optional<entry>>().swap(slots_);
  std::vector<slot_number>().swap(free_slots_);
  sides_ = {};
}

} // namespace weft
