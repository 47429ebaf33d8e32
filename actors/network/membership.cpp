// Its life, and what it says of itself.
#include "actors/network/membership.hpp"

#include "messages/errors.hpp"
#include "protocol/network/issuer.hpp"
#include "protocol/network/renewal.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <tuple>

namespace weft {

namespace {

using namespace std::chrono_literals;

/// Between two looks at what time alone changes.
constexpr auto round = 60s;
/// Without an answer to a renewal another directory is asked.
constexpr auto renewal_patience = 60s;
/// Between two looks at the peers of files and commands, of whose changes no
/// event tells.
constexpr auto foreign_interval = 3s;
/// A refused renewal is asked for again; sooner if only nobody could be asked.
constexpr auto renewal_retry = 1h;
constexpr auto renewal_retry_soon = 10s;
/// The same of the preshared secret, if the issuer has none, or was not asked.
constexpr duration fetch_retry = 1h;
constexpr duration fetch_retry_soon = 1min;
constexpr auto leave_patience = 30s;
/// Netlink tells of one address at a time.
constexpr auto addresses_settle = 1s;
/// The floor of time is written that often by itself.
constexpr auto floor_interval = 1h;

bool has(const std::vector<local_address>& all, const ip_address& address) {
  return std::any_of(all.begin(), all.end(), [&](const auto& each) {
    return each.address.address == address;
  });
}

} // namespace

// -- start -------------------------------------------------------------------

result<membership_actor>
start_membership(caf::actor_system& system, const overlay_actor& overlay,
                 membership_options options) {
  if (!options.log)
    options.log = std::make_shared<spdlog::logger>("weft");
  auto files = member_files::open(options.folder);
  if (!files)
    return tl::unexpected(files.error());
  auto identity = load_identity(options.config);
  if (!identity)
    return tl::unexpected(identity.error());
  auto kept = (*files)->read(identity->network());
  if (!kept)
    return tl::unexpected(kept.error());
  auto loop = io_loop::start(system, "weft-network", options.sources);
  if (!loop)
    return tl::unexpected(loop.error());
  const member_actor made = system.spawn<membership>(
    *loop, caf::actor_cast<overlay_root_actor>(overlay), std::move(options),
    member_start{std::move(*identity), std::move(*files), std::move(*kept)});
  caf::scoped_actor self{system};
  std::optional<system_error> failure;
  self->request(made, caf::infinite, begin_membership{})
    .receive(
      [] {},
      [&](const caf::error& reason) {
        failure = system_error{error_code(reason), error_message(reason)};
      });
  if (failure) {
    self->send_exit(made, caf::exit_reason::user_shutdown);
    self->wait_for(made);
    return tl::unexpected(*failure);
  }
  return made;
}

membership::membership(caf::actor_config& config, io_loop_ptr loop,
                       overlay_root_actor overlay, membership_options options,
                       member_start start)
  : hosted(config, std::move(loop)), overlay_(std::move(overlay)),
    options_(std::move(options)), files_(std::move(start.files)),
    kept_items_(std::move(start.kept.items)),
    kept_notes_(std::move(start.kept.notes)),
    identity_(std::move(start.identity)),
    knowledge_({identity_.root, identity_.contents().id,
                identity_.contents().key, options_.config.accept_prefixes},
               std::move(start.kept.marks), std::move(start.kept.epochs)),
    peers_(identity_.network(), identity_.contents().key),
    link_(this->loop(),
          {[this] { enter_loop_context(); },
           [this](std::span<const byte_vector> chain, std::size_t addresses) {
             return meet(chain, addresses);
           },
           [this] {
             session_->connected(attempt_, this->loop().now());
             run_session();
           },
           [this](const_byte_span bytes) {
             session_->received(attempt_, bytes, this->loop().now());
             run_session();
           },
           [this](std::string why) {
             session_->lost(attempt_, std::move(why), this->loop().now());
             run_session();
           }}),
    since_(this->loop().wall()) {
}

membership::~membership() = default;

membership::behavior_type membership::make_behavior() {
  set_down_handler(
    [this](const caf::down_msg&) { quit(caf::exit_reason::user_shutdown); });
  monitor(overlay_);
  return {
    [this](const shut_down&) { quit(caf::exit_reason::user_shutdown); },
    [this](const end_membership&) { return leave(); },
    [this](const begin_membership&) { return begin(); },
    [this](directory_resolved& answer) {
      dial(answer.number, std::move(answer.found));
    },
    [this](const marks_written& end) { written(end.failure); },
    [this](const items_written& end) { written_items(end.failure); },
    [this](certificates_written& news) { take_over(news); },
    [this](const event_batch& batch) -> caf::result<void> {
      happened(batch);
      return caf::unit;
    },
  };
}

void membership::on_exit() {
  threads_.close();
  if (routes_)
    loop().forget(routes_->descriptor());
  link_.close();
  session_.reset();
  if (begun_)
    write_at_end();
  files_.reset();
  for (auto& each : left_)
    each.deliver(make_error(ECANCELED, "this node's membership has ended"));
  left_.clear();
  overlay_ = nullptr;
  loop().stop();
}

caf::result<void> membership::begin() {
  auto promise = make_response_promise();
  begun_ = promise;
  for (const auto& note : kept_notes_)
    options_.log->warn("network: {}", note);
  if (auto made = open_tls(); !made) {
    begun_->deliver(make_error(made.error().code, made.error().message));
    return promise;
  }
  std::map<byte_vector, const byte_vector*> kept;
  for (const auto& each : kept_items_)
    kept.insert_or_assign(each.key, &each.content);
  const auto told = [&kept](const byte_vector& key) -> const byte_vector* {
    const auto found = kept.find(key);
    return found == kept.end() ? nullptr : found->second;
  };
  // Of what was kept its own files are the newest: they were written first.
  knowledge_.take(kept_items_, told, now());
  marked_ = knowledge_.view().kept().members;
  knowledge_.take(own_items(), told, now());
  knowledge_.retire_epochs(now());
  knowledge_.forget_refusals(); // its own files have some things twice
  watch_addresses();
  subscribe_to_events();
  // As if there were others than before, so that it goes on.
  foreign_.emplace_back();
  read_status(0, [this] { read_foreign([this] { update(); }); });
  return promise;
}

/// Once the overlay has its peers.
void membership::begin_talk() {
  told_first_ = true;
  keep_marks();
  keep_items(options_.limits.write);
  session_ = std::make_unique<member_session>(identity_.contents().id,
                                              options_.config.directories,
                                              loop().random(),
                                              std::exchange(kept_items_, {}));
  session_->set_held(knowledge_.held(), loop().now());
  describe();
  run_session();
  follow_time();
  every(round, [this] {
    look_at_certificate();
    if (knowledge_.retire_epochs(now())) {
      rekey_ = true;
      keep_secrets();
    }
    look_at_time();
    look_at_secret();
    update();
    look_at_list(); // by the time that the update has looked at
    tell_status_soon();
  });
  every(foreign_interval, [this] { look_at_foreign(); });
  look_at_certificate();
  tell_status();
}

result<void> membership::open_tls() {
  auto made = network_tls::member({identity_.chain, identity_.seed},
                                  [this](network_purpose purpose,
                                         std::span<const byte_vector> chain) {
                                    return judge(purpose, chain);
                                  });
  if (!made)
    return tl::unexpected(made.error());
  tls_ = std::make_shared<const network_tls>(std::move(*made));
  return {};
}

network_time membership::clock() const {
  const auto wall = std::chrono::floor<std::chrono::seconds>(loop().wall());
  return std::clamp(network_time{wall}, network_time{}, latest_network_time);
}

network_time membership::now() const {
  // The view judges the clock by what it knows: at first by nothing, so that
  // a clock that is wrong then does no harm.
  return std::max(knowledge_.view().now(), identity_.own.from);
}

/// Its certificate, and its issuer's.
std::vector<network_item> membership::own_items() const {
  const auto& issuer = std::get<issuer_contents>(identity_.issuer.contents);
  return {{item_key(item_kind::issuer, issuer.name), identity_.chain[1]},
          {item_key(item_kind::certificate, identity_.contents().id),
           identity_.chain[0]}};
}

/// What was refused for its time may count by another one.
void membership::look_at_time() {
  take(own_items());
  follow(knowledge_.look_at_issuers(told(), now()));
}

void membership::every(std::chrono::milliseconds interval,
                       std::function<void()> what) {
  call_at(loop().now() + interval, [this, interval, what = std::move(what)] {
    what();
    every(interval, what);
  });
}

// -- where this node is ------------------------------------------------------

void membership::routes_handler::ready(bool, bool) {
  owner.enter_loop_context();
  if (owner.routes_->read())
    owner.addresses_changed();
}

void membership::routes_handler::failed() {
  owner.fail();
}

void membership::watch_addresses() {
  if (auto routes = route_monitor::open()) {
    routes_.emplace(std::move(*routes));
    if (!loop().watch(routes_->descriptor(), interest::read, &routes_handler_))
      routes_.reset();
  }
  look_at_addresses();
}

void membership::addresses_changed() {
  if (std::exchange(addresses_set_, true))
    return;
  call_at(loop().now() + addresses_settle, [this] {
    addresses_set_ = false;
    const auto before = places_.addresses;
    look_at_addresses();
    if (before == places_.addresses || !session_)
      return;
    // A connection from an address that is gone would be noticed late.
    const auto from = link_.local();
    if (from && has(before, *from) && !has(places_.addresses, *from)) {
      link_.close();
      session_->lost(attempt_,
                     "this node has no longer the address that it was "
                     "connected from",
                     loop().now());
    }
    describe();
    session_->hurry(loop().now());
    run_session();
  });
}

void membership::look_at_addresses() {
  auto found = list_local_addresses();
  if (!found)
    return; // what was known stays
  places_.addresses = std::move(*found);
  std::vector<ip_prefix> links;
  for (const auto& each : places_.addresses)
    if (each.interface != places_.interface)
      links.push_back(each.address);
  peers_.set_links(std::move(links));
}

/// Signs another record if this node is not as the last one says.
void membership::describe() {
  const auto* self = knowledge_.view().self();
  if (self == nullptr || !session_)
    return;
  const auto& root = std::get<root_contents>(identity_.root.contents);
  const auto content = describe_self(options_.config, places_, root.ranges,
                                     knowledge_.epochs().newest());
  const auto generation = self->certificate.contents.generation;
  const auto& record = self->record;
  if (!make_anew_ && record && record->content() == content
      && record->order().generation == generation) {
    publish();
    return;
  }
  const auto earliest
    = last_record_ ? *last_record_ + options_.limits.record : loop().now();
  if (earliest <= loop().now()) {
    sign_record(content, generation);
  } else if (!std::exchange(describe_set_, true)) {
    call_at(earliest, [this] {
      describe_set_ = false;
      describe();
    });
  }
}

void membership::sign_record(const record_content& content,
                             std::uint64_t generation) {
  const auto& id = identity_.contents().id;
  const auto& marks = knowledge_.view().kept().members;
  const auto mark = marks.find(id);
  const auto serial = mark == marks.end() ? 0 : mark->second.record.serial;
  const auto record = member_record::make(
    identity_.network(), id, {generation, serial + 1}, content, identity_.seed);
  last_record_ = loop().now();
  make_anew_ = false;
  signed_record_ = record.bytes();
  const network_item item{item_key(item_kind::record, id), record.bytes()};
  knowledge_.take(
    {&item, 1}, [](const auto&) { return nullptr; }, now());
  // Its serial is on the disk before anybody sees it.
  after_write_.emplace_back([this] { publish(); });
  keep_marks();
}

/// The record that is known, unless a later one is still to be written.
void membership::publish() {
  const auto* self = knowledge_.view().self();
  if (self == nullptr || !self->record || !session_ || !after_write_.empty()
      || !after_this_write_.empty() || published_ == self->record->order())
    return;
  published_ = self->record->order();
  session_->publish(self->record->bytes(), loop().now());
  run_session();
}

// -- its certificate ---------------------------------------------------------

void membership::look_at_certificate() {
  tell_of_ends();
  if (knowledge_.view().kept().floor >= floor_written_ + floor_interval)
    keep_marks();
  // One that its issuer's end has cut short is renewed earlier.
  const auto& certificate = identity_.own;
  const auto due = certificate.from
                   + std::min<std::chrono::seconds>(
                     certificate_renewal_age,
                     (certificate.until - certificate.from) * 2 / 3);
  if (renewal_ || leaving_ || now() < due || loop().now() < next_renewal_)
    return;
  renewal_ = session_->renew(ask_for_renewal(), loop().now());
  run_session();
  ask_elsewhere(*renewal_);
}

/// A directory may keep a renewal for itself.
void membership::ask_elsewhere(std::uint64_t renewal) {
  call_at(loop().now() + renewal_patience, [this, renewal] {
    if (renewal_ != renewal)
      return;
    change_directory("it does not answer a renewal");
    ask_elsewhere(renewal);
  });
}

/// Others have one, and this node's file with it was lost.
bool membership::lacks_secret() const {
  const auto& peers = knowledge_.view().peers();
  return knowledge_.epochs().empty()
         && std::any_of(peers.begin(), peers.end(),
                        [](const auto& each) { return each.second.epoch > 0; });
}

/// The answer to a renewal has it; one before its time changes nothing else.
void membership::look_at_secret() {
  if (renewal_ || fetch_ || leaving_ || !session_ || directory_.empty()
      || loop().now() < next_fetch_ || !lacks_secret())
    return;
  options_.log->info("network: the secret of the preshared keys is not here, "
                     "and is asked for");
  fetch_ = session_->renew(ask_for_renewal(), loop().now());
  run_session();
}

byte_vector membership::ask_for_renewal() const {
  const auto& own = identity_.contents();
  return make_renewal({own.network, own.id, own.generation, own.key,
                       identity_.own.key},
                      identity_.seed);
}

void membership::fetched(const accepted<std::vector<byte_vector>>& answer) {
  fetch_.reset();
  next_fetch_ = loop().now() + (answer ? fetch_retry : fetch_retry_soon);
  if (!lacks_secret())
    return;
  options_.log->warn("network: the secret of the preshared keys does not come: "
                     "{}",
                     answer ? "the issuer has none" : answer.error().what);
  if (!answer)
    change_directory("it does not fetch the preshared secret");
}

void membership::renewed(const accepted<std::vector<byte_vector>>& answer) {
  renewal_.reset();
  bool soon = !answer && answer.error().why == refusal::unavailable;
  // One that has no way to the issuer refuses as well.
  if (!answer && !soon)
    soon = change_directory("it does not renew the certificate");
  next_renewal_
    = loop().now() + (soon ? renewal_retry_soon : duration{renewal_retry});
  if (soon)
    call_at(next_renewal_, [this] { look_at_certificate(); });
  auto next = answer ? make_identity(identity_.root, *answer, identity_.seed)
                     : tl::unexpected(answer.error());
  if (next
      && (next->contents().id != identity_.contents().id
          || next->contents().key != identity_.contents().key
          || next->contents().generation <= identity_.contents().generation))
    next = refuse(refusal::not_allowed, "the new certificate is not this "
                                        "member's next one");
  if (!next) {
    options_.log->warn(
      "network: the certificate is not renewed, which is tried again in {}: {}",
      soon ? "10 s" : "an hour", next.error().what);
    return;
  }
  // On the disk before it is used.
  const auto work
    = [path = options_.config.certificate, made = std::move(*next)] {
        const auto kept = write_certificates(path, made.chain);
        return certificates_written{made, kept ? "" : kept.error().message};
      };
  try {
    threads_.run("weft-members", caf::actor_cast<member_actor>(this), work);
  } catch (const std::system_error& error) {
    options_.log->warn("network: the certificate is not renewed: {}",
                       error.what());
  }
}

void membership::take_over(certificates_written& news) {
  if (!news.failure.empty()) {
    options_.log->error("network: the new certificate cannot be kept, and is "
                        "asked for again in an hour: {}",
                        news.failure);
    return;
  }
  identity_ = std::move(news.next);
  options_.log->info("network: the certificate is renewed");
  if (auto made = open_tls(); !made)
    options_.log->error("network: {}", made.error().message);
  take(own_items());
  describe();
}

caf::result<void> membership::leave() {
  auto promise = make_response_promise();
  left_.push_back(promise);
  if (leaving_ || !session_)
    return promise;
  const auto& own = identity_.contents();
  leaving_ = session_->leave(make_leave({own.network, own.id, own.generation},
                                        identity_.seed),
                             loop().now());
  call_at(loop().now() + leave_patience, [this, number = *leaving_] {
    if (leaving_ != number)
      return;
    session_->give_up(number);
    leaving_.reset();
    for (auto& each : std::exchange(left_, {}))
      each.deliver(make_error(
        ETIMEDOUT, "no directory has passed it on: " + trouble()
                     + ". It may have been carried out all the same"));
  });
  run_session();
  return promise;
}

void membership::left(const accepted<std::vector<byte_vector>>& answer) {
  leaving_.reset();
  if (answer)
    options_.log->info("network: this node has left it");
  for (auto& each : std::exchange(left_, {})) {
    if (answer)
      each.deliver(caf::unit);
    else
      each.deliver(make_error(EPERM, answer.error().what));
  }
}

} // namespace weft
