// A whole network in virtual time: joins, renewals and removals while messages
// are lost, repeated and overtake each other, members and issuer are killed,
// and the directory lies or falls back to a backup.
#include "tests/sim/membership.hpp"

#include "protocol/network/ranges.hpp"
#include "tests/catch.hpp"

#include <deque>

namespace {

using namespace weft;
using namespace weft::test;

/// Chances are out of 1000.
struct faults {
  unsigned lost = 0;
  unsigned repeated = 0;
  std::chrono::milliseconds longest{50};
  unsigned restarts = 0;  ///< of somebody, each second
  unsigned lies = 0;      ///< of the directory, for each item that it sends
  unsigned removals = 0;  ///< of a member, each second
  unsigned movements = 0; ///< of a member to another endpoint, each second
  unsigned renewals = 0;  ///< of a member's keys, each second
  unsigned backups = 0;   ///< that a directory is set back to, each second
};

struct node {
  join_keys keys;
  std::string name;
  std::optional<member_id> id;
  std::unique_ptr<replica> state; ///< from its admission on
  std::uint64_t serial = 0;
  std::optional<member_record> record; ///< its newest, as it was published
};

class simulation {
public:
  simulation(std::uint64_t seed, std::size_t count)
    : random_(seed), issuer_seed_(draw_signing_seed(random_)),
      rogue_seed_(draw_signing_seed(random_)), verified_{some_issuer(),
                                                         derive_verifying_key(
                                                           issuer_seed_),
                                                         noon - 24h,
                                                         noon + 24h * 365},
      directory_(verified_, {some_root(), {}, {}, {}}) {
    journal_.push_back(issuer::begin(some_root(), some_issuer(), noon).value());
    issuer_.emplace(issuer::from_journal(journal_.front()).value());
    invitation terms;
    terms.network = some_root().network;
    token_ = draw_signing_seed(random_);
    terms.token = derive_verifying_key(token_);
    terms.uses = count;
    terms.until = noon + 24h;
    keep(issuer_->invite(terms, wall()).value());
    for (std::size_t i = 0; i < count; ++i) {
      nodes_.emplace_back();
      nodes_.back().keys
        = {token_, draw_signing_seed(random_), generate_private_key(random_)};
      choose_name(nodes_.back());
      every(1s, [this, i] { step(nodes_[i]); });
    }
    every(1s, [this] { disturb(); });
    every(1s, [this] { publish_of_issuer(); });
  }

  faults weather;

  void run_for(std::chrono::milliseconds span) {
    queue_.run_until(queue_.now() + span);
  }

  // What must hold at any time.
  bool sound = true;

  /// Whether all members know the same, which is what the issuer decided.
  bool all_agree() {
    for (auto& each : nodes_) {
      if (!is_live(each))
        continue;
      each.state->view().update(wall());
      if (each.state->view().peers() != expected_peers(each))
        return false;
    }
    return true;
  }
  std::size_t live() const {
    return static_cast<std::size_t>(
      std::count_if(nodes_.begin(), nodes_.end(),
                    [&](const auto& each) { return is_live(each); }));
  }
  std::size_t admitted() const {
    return issuer_->members().size();
  }
  bool journal_holds() {
    const auto before = issuer_->chain().head();
    restart_issuer();
    return issuer_->chain().head() == before;
  }

private:
  // -- time and ways ---------------------------------------------------------

  network_time wall() const {
    return noon
           + std::chrono::duration_cast<std::chrono::seconds>(queue_.now());
  }
  bool chance(unsigned of_1000) {
    return random_.below(1000) < of_1000;
  }
  std::size_t any(std::size_t count) {
    return static_cast<std::size_t>(random_.below(count));
  }
  void every(std::chrono::milliseconds interval, std::function<void()> what) {
    const auto jitter = std::chrono::milliseconds(random_.below(100));
    queue_.after(interval + jitter, [this, interval, what] {
      what();
      every(interval, what);
    });
  }
  /// To somebody else, if it arrives.
  void send(const std::function<void()>& arrival) {
    const auto copies
      = (chance(weather.lost) ? 0 : 1) + (chance(weather.repeated) ? 1 : 0);
    for (int i = 0; i < copies; ++i) {
      const auto span = static_cast<std::uint64_t>(weather.longest.count());
      queue_.after(std::chrono::milliseconds(1 + random_.below(span)), arrival);
    }
  }

  // -- the issuer ------------------------------------------------------------

  template <class Answer>
  Answer keep(const decision<Answer>& made) {
    if (made.entry) {
      sound = sound && issuer_->take_over(*made.entry).has_value();
      journal_.push_back(*made.entry);
    }
    return made.answer;
  }
  void restart_issuer() {
    issuer_.emplace(issuer::from_journal(journal_.front()).value());
    for (std::size_t i = 1; i < journal_.size(); ++i)
      sound = sound && issuer_->take_over(journal_[i]).has_value();
  }
  /// What is decided is checked here, against all that was given out before.
  void check_admission(const member_contents& contents) {
    for (const auto& [id, given] : given_) {
      if (id == contents.id)
        continue;
      for (const auto& a : given.prefixes)
        for (const auto& b : contents.prefixes)
          sound = sound && !overlaps(a, b);
      sound
        = sound && given.allocation != contents.allocation
          && (given.name != contents.name || issuer_->find_member(id)->removed);
    }
    given_.emplace(contents.id, contents);
    keys_[contents.id].insert(contents.key);
  }
  void answer_request(node& who, const proven_request& asked) {
    const auto request = check_proof(asked, exporter_, ephemeral_);
    sound = sound && request.has_value();
    if (!request)
      return;
    const auto made
      = issuer_->admit(*request, member_id::draw(random_), wall());
    if (!made) {
      if (made.error().why == refusal::taken)
        send([this, &who] { choose_name(who); });
      return;
    }
    if (made->entry && chance(weather.restarts))
      return restart_issuer(); // before it is on disk: it never was
    const auto terms = keep(*made);
    check_admission(terms.contents);
    send([this, &who, terms] { be_admitted(who, terms); });
  }
  /// The directory asks the issuer for all that it has signed.
  void publish_of_issuer() {
    const auto list = keep(issuer_->list(wall()));
    auto bytes = encode(list);
    const auto made = sign(issuer_seed_, bytes);
    bytes.insert(bytes.end(), made.begin(), made.end());
    directory_.offer({item_key(list_kind, {}), bytes});
    for (const auto& [id, member] : issuer_->members())
      directory_.offer(
        {item_key(certificate_kind, id), to_bytes(member.terms, issuer_seed_)});
    directory_.view().update(wall());
  }

  // -- members ---------------------------------------------------------------

  void choose_name(node& who) {
    if (!who.id)
      who.name = "node-" + std::to_string(any(2 * nodes_.size() + 2));
  }
  void be_admitted(node& who, const certificate_terms& terms) {
    if (who.state)
      return;
    who.id = terms.contents.id;
    who.state = std::make_unique<replica>(
      verified_, member_view::settings{
                   some_root(), terms.contents.id, terms.contents.key, {}});
    who.state->offer(
      {item_key(certificate_kind, *who.id), to_bytes(terms, issuer_seed_)});
    move(who);
  }
  /// To another endpoint, of which it tells in a record.
  void move(node& who) {
    const auto* own = who.state->view().self();
    if (own == nullptr)
      return; // it has lost its certificate, and gets it again
    endpoint where = parse_endpoint("192.0.2.1:1").value();
    where.port = static_cast<std::uint16_t>(1 + random_.below(60'000));
    who.record = member_record::make(
      some_root().network, *who.id,
      {own->certificate.contents.generation, ++who.serial},
      {{{where, endpoint_source::link}}, false, 1}, who.keys.certificate);
    who.state->offer({item_key(record_kind, *who.id), who.record->bytes()});
  }
  void step(node& who) {
    if (!who.state) {
      const auto asked = prove(who.keys, some_root().network, who.name,
                               exporter_, {derive_public_key(ephemeral_)});
      send([this, &who, asked] { answer_request(who, *asked); });
      return;
    }
    who.state->view().update(wall());
    check_peers(who);
    // Its own record first, then what differs, both ways.
    if (who.record)
      send([this, record = who.record->bytes(), id = *who.id] {
        directory_.offer({item_key(record_kind, id), record});
      });
    send([this, &who, digests = who.state->table.digests()] {
      compare(who, digests);
    });
  }
  void compare(node& who, const bucket_digests& digests) {
    const auto differing = directory_.table.digests().differing(digests);
    send([this, &who, differing] { show(who, differing); });
    std::optional<bucket_table::place> next = bucket_table::place{};
    while (next) {
      auto page = directory_.table.read(differing, *next);
      next = page.next;
      for (auto& each : page.items)
        past_.push_back(each);
      lie(page.items);
      send([&who, page] {
        for (const auto& each : page.items)
          who.state->offer(each);
      });
    }
  }
  /// A directory that lacks something takes it over when it is shown it.
  void show(node& who, const bucket_set& differing) {
    const auto page = who.state->table.read(differing, {});
    send([this, page] {
      for (const auto& each : page.items)
        directory_.offer(each);
    });
  }
  void check_peers(node& who) {
    for (const auto& [id, peer] : who.state->view().peers()) {
      const auto known = keys_.find(id);
      sound = sound && known != keys_.end()
              && known->second.count(peer.key) != 0
              && given_.at(id).prefixes == peer.prefixes
              && given_.at(id).name == peer.name;
    }
  }

  // -- what goes wrong -------------------------------------------------------

  /// Items that were right once, of others, forged, damaged.
  void lie(std::vector<bucket_table::item>& items) {
    std::vector<bucket_table::item> made;
    for (const auto& each : items) {
      if (!chance(weather.lies)) {
        made.push_back(each);
        continue;
      }
      auto lie = past_[any(past_.size())];
      switch (random_.below(5)) {
        case 0:
          break; // an old one
        case 1:
          lie.key = each.key; // of somebody else
          break;
        case 2:
          lie.content[any(lie.content.size())] ^= std::byte{1};
          break;
        case 3:
          lie.content.resize(any(lie.content.size()));
          break;
        default:
          lie = forge();
          break;
      }
      made.push_back(std::move(lie));
    }
    items = std::move(made);
  }
  /// A certificate of another authority, for a new member or a known one.
  bucket_table::item forge() {
    certificate_terms terms;
    terms.contents = some_member(1 + random_.below(100));
    if (!given_.empty() && chance(500))
      terms.contents
        = std::next(given_.begin(),
                    static_cast<std::ptrdiff_t>(any(given_.size())))
            ->second;
    terms.contents.generation = 99;
    terms.contents.key = some_member(7).key;
    terms.from = noon - 1h;
    terms.until = noon + 24h * 90;
    return {item_key(certificate_kind, terms.contents.id),
            to_bytes(terms, rogue_seed_)};
  }
  void disturb() {
    auto& who = nodes_[any(nodes_.size())];
    if (chance(weather.restarts))
      restart_issuer();
    if (chance(weather.restarts) && who.state)
      who.state->restart(chance(700));
    if (chance(weather.backups)) {
      if (chance(500) || backup_.empty()) {
        backup_ = directory_.all_items();
      } else {
        directory_ = replica(verified_, {some_root(), {}, {}, {}});
        for (const auto kind : {list_kind, certificate_kind, record_kind})
          for (const auto& each : backup_)
            if (each.key.front() == kind)
              directory_.offer(each);
      }
    }
    if (!is_live(who))
      return;
    if (chance(weather.removals))
      keep(issuer_->remove(*who.id, wall()).value());
    else if (chance(weather.movements))
      move(who);
    else if (chance(weather.renewals))
      renew(who);
  }
  /// With a new key; the answer is on its disk when it counts.
  void renew(node& who) {
    const auto next = draw_signing_seed(random_);
    const auto made
      = issuer_->renew(*who.id, derive_public_key(who.keys.wireguard),
                       derive_verifying_key(next), wall());
    if (!made)
      return;
    const auto terms = keep(*made);
    who.keys.certificate = next;
    who.state->offer(
      {item_key(certificate_kind, *who.id), to_bytes(terms, issuer_seed_)});
    move(who); // what the former key has signed counts no more
  }

  // -- what should be --------------------------------------------------------

  bool is_live(const node& who) const {
    if (!who.state)
      return false;
    const auto* member = issuer_->find_member(*who.id);
    return member != nullptr && !member->removed;
  }
  std::map<member_id, network_peer> expected_peers(const node& of) const {
    std::map<member_id, network_peer> peers;
    for (const auto& [id, member] : issuer_->members()) {
      if (member.removed || id == *of.id)
        continue;
      const auto& contents = member.terms.contents;
      network_peer peer{id, contents.name,  contents.key, contents.prefixes,
                        {}, contents.groups};
      for (const auto& each : nodes_) {
        if (each.id != id || !each.record)
          continue;
        peer.endpoints = each.record->content().endpoints;
        peer.epoch = each.record->content().epoch;
      }
      peers.emplace(id, peer);
    }
    return peers;
  }

  deterministic_random random_;
  event_queue queue_;
  signing_seed issuer_seed_;
  signing_seed rogue_seed_;
  verified_issuer verified_;
  replica directory_;
  std::vector<byte_vector> journal_;
  std::optional<issuer> issuer_;
  signing_seed token_;
  tls_exporter exporter_{};
  private_key ephemeral_ = generate_private_key(random_);
  std::deque<node> nodes_;
  /// As they were signed.
  std::map<member_id, std::pair<certificate_terms, byte_vector>> certificates_;
  std::map<member_id, member_contents> given_;
  std::map<member_id, std::set<public_key>> keys_;
  std::vector<bucket_table::item> past_; ///< what the directory ever sent
  std::vector<bucket_table::item> backup_;
};

const faults bad_weather{.lost = 200,
                         .repeated = 200,
                         .longest = 3'000ms,
                         .restarts = 100,
                         .lies = 100,
                         .removals = 50,
                         .movements = 300,
                         .renewals = 100,
                         .backups = 50};

} // namespace

TEST_CASE("Forty nodes join at once, and soon all know each other") {
  simulation net(1, 40);
  net.run_for(10s);
  CHECK(net.live() == 40);
  CHECK(net.all_agree());
  CHECK(net.sound);
}

TEST_CASE("Whatever is lost, repeated, killed and lied about, nothing is given "
          "twice, nobody believed unverified, and afterwards all agree") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    simulation net(seed, 20);
    net.weather = bad_weather;
    net.run_for(90s);
    CHECK(net.sound);
    CHECK(net.admitted() == 20);
    CHECK(net.live() > 5);
    net.weather = {};
    net.run_for(10s);
    CHECK(net.all_agree());
    CHECK(net.journal_holds());
    CHECK(net.sound);
  }
}

TEST_CASE("A directory that tells nothing but lies adds, moves and takes away "
          "no peer") {
  simulation net(3, 12);
  net.run_for(10s);
  REQUIRE(net.all_agree());
  net.weather.lies = 1000;
  net.run_for(60s);
  CHECK(net.all_agree());
  CHECK(net.sound);
}
