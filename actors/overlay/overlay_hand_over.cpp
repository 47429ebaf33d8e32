// Another process takes the place of this one: all that carries packets stands
// still, one after the other in the direction of what comes, so that what was
// taken in is dealt with; then it says what a successor goes on with.
#include "actors/overlay/overlay.hpp"
#include "config/saved_node.hpp"
#include "messages/errors.hpp"
#include "platform/hand_over.hpp"

#include <cerrno>
#include <utility>

namespace weft {

namespace {

/// Whoever has not stood still by then keeps the overlay from being handed
/// over: no session outlives a silence of minutes.
constexpr std::chrono::seconds most_waiting{5};

/// The same node, whose sessions have to begin anew.
std::shared_ptr<const saved_node> without_keys(const saved_node& from) {
  auto made = std::make_shared<saved_node>(from);
  for (auto& peer : made->peers) {
    if (!peer.session)
      continue;
    peer.session->session.keys = {};
    peer.session->session.values.pending.reset();
  }
  return made;
}

} // namespace

caf::error overlay::being_handed_over() const {
  return make_error(
    EBUSY, "another process is taking over "
             + resources_->interface + ": nothing was changed; ask that one");
}

caf::error overlay::begun_anew() const {
  return make_error(EBUSY, "this machine was restored from a snapshot or "
                           "cloned, so all sessions begin anew: ask again "
                           "then");
}

template <class Handle, class Message>
void overlay::add_step(const Handle& whom, Message message) {
  hand_over_->steps.push_back([this, whom, message] {
    request(whom, most_waiting, message)
      .then([this] { next_freeze(); },
            [this](caf::error& why) { freeze_failed(std::move(why)); });
  });
}

caf::error overlay::why_not_handed_over() const {
  if (hand_over_)
    return being_handed_over();
  if (trial_)
    return on_trial();
  if (!changes_.empty())
    return make_error(EBUSY, "a change is being made: nothing is handed over "
                             "before it is in force; ask again then");
  return {};
}

caf::result<void> overlay::prepare_to_end() {
  if (auto why = why_not_handed_over())
    return why;
  prepares_to_end_ = true;
  // To close what watches the place of its socket takes the kernel
  // milliseconds (inotify).
  if (uapi_) {
    std::erase_if(parts_, [this](const auto& part) {
      return part.first == uapi_.address();
    });
    send_exit(uapi_, caf::exit_reason::user_shutdown);
    uapi_ = nullptr;
  }
  if (!keeper_)
    return caf::unit;
  preparing_ = make_response_promise();
  const auto done = [this] { preparing_.deliver(caf::unit_t{}); };
  // A disk that does not answer is no reason to stay.
  request(keeper_, most_waiting, keep_now{})
    .then(done, [done](const caf::error&) { done(); });
  return preparing_;
}

caf::result<overlay_left> overlay::stand_still() {
  if (auto why = why_not_handed_over())
    return why;
  hand_over_ = std::make_unique<hand_over_state>();
  auto& left = hand_over_->left;
  auto& steps = hand_over_->steps;
  left.descriptors = std::make_shared<std::vector<named_descriptor>>();
  auto promise
    = make_response_promise<caf::typed_response_promise<overlay_left>>();
  hand_over_->promise = promise;
  add_step(registry_, prepare_freeze{});
  const freeze order{left.descriptors};
  for (const auto& each : lanes_)
    for (const auto& reader : each.readers)
      add_step(reader, order);
  for (const auto& each : lanes_)
    add_step(each.socket, order);
  add_step(strangers_, order);
  const auto failed
    = [this](caf::error& why) { freeze_failed(std::move(why)); };
  const auto cookies = std::make_shared<std::optional<cookie_checker::state>>();
  steps.emplace_back([this, failed, cookies] {
    request(gate_, most_waiting, freeze_gate{})
      .then(
        [this, cookies](frozen_gate& gate) {
          *cookies = std::move(gate.cookies);
          next_freeze();
        },
        failed);
  });
  steps.emplace_back([this, failed, cookies] {
    request(registry_, most_waiting, freeze_peers{})
      .then(
        [this, cookies](const frozen_peers& peers) {
          if (!hand_over_)
            return;
          hand_over_->left.state = peers.saved;
          hand_over_->left.state->cookies = std::move(*cookies);
          save_own_part(*hand_over_->left.state);
          next_freeze();
        },
        failed);
  });
  for (const auto& each : lanes_) {
    add_step(each.socket, finish_sending{});
    add_step(each.writer, finish_writing{});
  }
  next_freeze();
  return promise;
}

void overlay::next_freeze() {
  if (!hand_over_)
    return; // it was called off
  auto& all = *hand_over_;
  if (all.next < all.steps.size())
    return all.steps[all.next++]();
  if (all.is_void)
    return freeze_failed(begun_anew());
  all.promise.deliver(std::exchange(all.left, {}));
}

void overlay::freeze_failed(caf::error why) {
  if (!hand_over_)
    return;
  auto promise = hand_over_->promise;
  thaw_all();
  promise.deliver(std::move(why));
}

void overlay::save_own_part(saved_node& into) {
  into.taken = loop().now();
  into.interface = settings_in_force().interface;
  into.port = port_;
  into.fwmark = fwmark_;
  into.log = options_.config.log;
  into.offloads = options_.config.offloads;
  into.file_digest = options_.file_digest;
  into.indices = indices_->save();
  std::ignore = leave_duplicate(*hand_over_->left.descriptors, "machine",
                                resources_->machine);
}

void overlay::thaw_all() {
  if (leaves_ || !std::exchange(hand_over_, nullptr))
    return;
  // Peers first: what comes to one that stands still is lost.
  request(registry_, caf::infinite, thaw{}).then([this] {
    if (hand_over_)
      return; // somebody else takes over by now
    send(gate_, thaw{});
    thaw_ports();
  });
}

void overlay::thaw_ports() {
  send(strangers_, thaw{});
  for (const auto& each : lanes_) {
    send(each.socket, thaw{});
    for (const auto& reader : each.readers)
      send(reader, thaw{});
  }
}

caf::result<void> overlay::end_for_successor(bool process_ends) {
  if (!hand_over_)
    return make_error(EINVAL, "nobody takes over " + resources_->interface);
  if (hand_over_->is_void)
    return begun_anew();
  if (leaves_)
    return being_handed_over();
  leaves_ = true;
  self_.reset();
  hand_over_->leaves = make_response_promise();
  auto end = [this, process_ends] {
    is_left_ = true;
    process_ends_ = process_ends;
    hand_over_->leaves.deliver(caf::unit_t{});
    quit(caf::exit_reason::user_shutdown);
  };
  request(registry_, most_waiting, forget_keys{})
    .then(end, [end](const caf::error&) { end(); });
  return hand_over_->leaves;
}

// -- the successor -----------------------------------------------------------

caf::result<void> overlay::begin_with(const inherit_node& asked) {
  auto promise = make_response_promise();
  // Another machine may go on with the same keys and counters.
  auto& machine = resources_->machine;
  const bool is_clone = machine && machine->read();
  if (machine)
    std::ignore
      = loop().watch(machine->descriptor(), interest::read, &machine_handler_);
  request(registry_, caf::infinite,
          inherit_peers{is_clone ? without_keys(*asked.from) : asked.from})
    .then(
      [this, promise, is_clone](const config_changes&) mutable {
        thaw_ports(); // what comes finds its peer
        resources_->heaps.clear();
        if (is_clone)
          begin_sessions_anew();
        promise.deliver(caf::unit_t{});
      },
      [promise](caf::error& why) mutable { promise.deliver(std::move(why)); });
  return promise;
}

bool overlay::has_predecessor() const {
  return options_.inherited && options_.inherited->state;
}

std::optional<cookie_checker::state> overlay::inherited_cookies() const {
  return has_predecessor() ? options_.inherited->state->cookies : std::nullopt;
}

std::optional<std::vector<endpoint>> overlay::inherited_endpoints() const {
  if (!has_predecessor())
    return std::nullopt;
  std::vector<endpoint> known;
  for (const auto& peer : options_.inherited->state->peers) {
    if (peer.session && peer.session->session.values.path)
      known.push_back(peer.session->session.values.path->remote);
  }
  return known;
}

} // namespace weft
