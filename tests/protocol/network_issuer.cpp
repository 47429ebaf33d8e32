#include "protocol/network/issuer.hpp"
#include "protocol/network/ranges.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/network_support.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

/// An issuer with a journal in memory.
struct office {
  explicit office(const root_contents& root = some_root()) {
    issuer_contents self{root.network, "first", root.ranges};
    journal.push_back(issuer::begin(root, self, noon).value());
    who.emplace(issuer::from_journal(journal.front()).value());
  }

  template <class Answer>
  Answer keep(accepted<decision<Answer>> made) {
    if (!made)
      throw std::runtime_error(made.error().what);
    return keep(std::move(*made));
  }
  template <class Answer>
  Answer keep(decision<Answer> made) {
    if (made.entry) {
      if (!who->take_over(*made.entry))
        throw std::logic_error("a decision that is none");
      journal.push_back(*made.entry);
    }
    return made.answer;
  }

  /// A new token, and who has it.
  template <std::invocable<invitation&> Change>
  invitation invite(Change change) {
    invitation terms;
    terms.network = who->root().network;
    terms.token = derive_verifying_key(draw_signing_seed(random));
    terms.until = now + 1h;
    change(terms);
    return keep(who->invite(terms, now));
  }
  invitation invite(std::uint64_t uses = 1) {
    return invite([&](auto& terms) { terms.uses = uses; });
  }
  join_request request(const invitation& by, const std::string& name) {
    return {who->root().network, by.token,
            derive_public_key(generate_private_key(random)),
            derive_verifying_key(draw_signing_seed(random)), name};
  }
  certificate_terms admit(const join_request& asked) {
    return keep(who->admit(asked, member_id::draw(random), now));
  }
  std::string why_not(const join_request& asked) {
    const auto made = who->admit(asked, member_id::draw(random), now);
    return made ? "admitted" : std::string{to_string(made.error().why)};
  }
  void remove(const member_id& id) {
    keep(who->remove(id, now));
  }

  /// What the journal makes of an issuer that starts again.
  accepted<issuer> restarted() const {
    auto made = issuer::from_journal(journal.front());
    for (std::size_t i = 1; made && i < journal.size(); ++i) {
      if (auto done = made->take_over(journal[i]); !done)
        return tl::unexpected(done.error());
    }
    return made;
  }

  deterministic_random random{11};
  network_time now = noon;
  std::vector<byte_vector> journal;
  std::optional<issuer> who;
};

} // namespace

TEST_CASE("A token lets in who has it, with a slice and a name") {
  office here;
  const auto token = here.invite([](auto& terms) { terms.groups = {"web"}; });
  const auto asked = here.request(token, "beta");
  const auto terms = here.admit(asked);
  CHECK(terms.key == asked.certificate);
  CHECK(terms.from == noon - 10min);
  CHECK(terms.until == noon + 24h * 90);
  CHECK(terms.contents.name == "beta");
  CHECK(terms.contents.key == asked.key);
  CHECK(terms.contents.groups == std::set<std::string>{"web"});
  CHECK(terms.contents.generation == 1);
  CHECK(terms.contents.allocation == 1);
  CHECK(terms.contents.prefixes
        == prefixes_of({"10.200.0.0/28", "fd00:200::/64"}));
  CHECK(here.who->find_member("beta")->terms == terms);
}

TEST_CASE("A lost answer costs nothing: the same token and keys get it again") {
  office here;
  const auto asked = here.request(here.invite(), "beta");
  const auto terms = here.admit(asked);
  const auto length = here.journal.size();
  here.now += 48h; // the token has ended since
  CHECK(here.admit(asked) == terms);
  CHECK(here.journal.size() == length);
  CHECK(here.restarted()->admit(asked, {}, here.now)->answer == terms);

  auto other = asked;
  other.certificate = derive_verifying_key(draw_signing_seed(here.random));
  CHECK(here.why_not(other) == "expired");
  here.remove(terms.contents.id);
  CHECK(here.why_not(asked) == "expired");
}

TEST_CASE("A token lets in as many as it may, until its end") {
  office here;
  const auto token = here.invite(2);
  here.admit(here.request(token, "a"));
  here.admit(here.request(token, "b"));
  CHECK(here.why_not(here.request(token, "c")) == "used_up");
  const auto later = here.invite();
  here.now += 1h;
  CHECK(here.why_not(here.request(later, "c")) == "expired");
  auto unknown = token;
  unknown.token.bytes[0] ^= std::byte{1};
  CHECK(here.why_not(here.request(unknown, "c")) == "unknown_invitation");
}

TEST_CASE("A token that was withdrawn lets in nobody else") {
  office here;
  const auto token = here.invite(2);
  here.admit(here.request(token, "a"));
  here.keep(here.who->withdraw(token.token, here.now));
  const auto length = here.journal.size();
  here.keep(here.who->withdraw(token.token, here.now));
  CHECK(here.journal.size() == length);
  CHECK(here.why_not(here.request(token, "b")) == "withdrawn");
  CHECK(here.who->find_member("a") != nullptr);
  CHECK(here.restarted()->find_token(token.token)->withdrawn);
}

TEST_CASE("A token is for the name and the prefixes that it names") {
  office here;
  const auto token = here.invite([](auto& terms) {
    terms.name = "gateway";
    terms.prefixes = prefixes_of({"10.200.64.0/20", "10.200.32.0/24"});
  });
  CHECK(here.why_not(here.request(token, "other")) == "not_allowed");
  auto asked = here.request(token, "");
  asked.name.reset();
  const auto terms = here.admit(asked);
  CHECK(terms.contents.name == "gateway");
  CHECK(terms.contents.prefixes
        == prefixes_of({"10.200.32.0/24", "10.200.64.0/20"}));

  const auto refused = [&](auto change) {
    invitation next;
    next.network = some_root().network;
    next.token = derive_verifying_key(draw_signing_seed(here.random));
    next.until = noon + 1h;
    change(next);
    const auto made = here.who->invite(next, here.now);
    return made ? "invited" : std::string{to_string(made.error().why)};
  };
  CHECK(refused([](auto&) {}) == "invited");
  CHECK(refused([](auto& each) { each.name = "gateway"; }) == "taken");
  CHECK(
    refused([](auto& each) { each.prefixes = prefixes_of({"10.200.64.0/28"}); })
    == "taken");
  CHECK(
    refused([](auto& each) { each.prefixes = prefixes_of({"192.168.0.0/24"}); })
    == "outside_ranges");
  CHECK(refused([](auto& each) { each.until = noon; }) == "expired");
  CHECK(refused([&](auto& each) { each.token = token.token; }) == "taken");
  CHECK(refused([](auto& each) { each.network.bytes[0] ^= std::byte{1}; })
        == "wrong_network");
}

TEST_CASE("Names and keys are one member's, until it is removed") {
  office here;
  const auto token = here.invite(10);
  const auto first = here.request(token, "a");
  const auto terms = here.admit(first);
  auto next = here.request(token, "a");
  CHECK(here.why_not(next) == "taken");
  next.name = "b";
  next.key = first.key;
  CHECK(here.why_not(next) == "taken");
  next = here.request(token, "b");
  next.certificate = first.certificate;
  CHECK(here.why_not(next) == "taken");
  next = here.request(token, "No");
  CHECK(here.why_not(next) == "malformed");
  next.name.reset();
  CHECK(here.why_not(next) == "malformed");
  next = here.request(token, "b");
  next.network.bytes[0] ^= std::byte{1};
  CHECK(here.why_not(next) == "wrong_network");

  here.remove(terms.contents.id);
  const auto again = here.admit(first);
  CHECK(again.contents.id != terms.contents.id);
  CHECK(again.contents.allocation == 2);
  CHECK(again.contents.prefixes != terms.contents.prefixes); // they rest
}

TEST_CASE("Certificates are renewed from day 60 on, and when the "
          "certificate's key changes") {
  office here;
  const auto asked = here.request(here.invite(), "a");
  const auto first = here.admit(asked);
  const auto& id = first.contents.id;
  const auto renew = [&](const verifying_key& certificate) {
    return here.keep(here.who->renew(id, asked.key, certificate, here.now));
  };
  here.now += 24h * 59;
  CHECK(renew(asked.certificate) == first);
  here.now += 24h;
  here.keep(here.who->list(here.now));
  const auto second = renew(asked.certificate);
  CHECK(second.contents.generation == 2);
  CHECK(second.contents.revocation == here.who->list_number());
  CHECK(second.until == here.now + 24h * 90);
  CHECK(renew(asked.certificate) == second);

  here.now += 1h;
  const auto next = derive_verifying_key(draw_signing_seed(here.random));
  const auto third = renew(next);
  CHECK(third.contents.generation == 3);
  CHECK(third.key == next);
  CHECK(third.contents.prefixes == first.contents.prefixes);
  // The former key is free again, the new one is not.
  const auto token = here.invite(2);
  auto other = here.request(token, "b");
  other.certificate = next;
  CHECK(here.why_not(other) == "taken");
  other.certificate = asked.certificate;
  const auto stranger = here.admit(other);
  here.now += 1h;
  const auto steal = here.who->renew(id, asked.key, stranger.key, here.now);
  CHECK(steal.error().why == refusal::taken);
  // The WireGuard key stays: nothing proves another one.
  const auto key = derive_public_key(generate_private_key(here.random));
  CHECK(here.who->renew(id, key, next, here.now).error().why
        == refusal::not_allowed);

  CHECK(here.who->renew({}, key, asked.certificate, here.now).error().why
        == refusal::unknown_member);
  here.remove(id);
  CHECK(here.who->renew(id, key, asked.certificate, here.now).error().why
        == refusal::revoked);
}

TEST_CASE("A member that draws one key after the other is renewed hourly") {
  office here;
  const auto asked = here.request(here.invite(), "a");
  const auto id = here.admit(asked).contents.id;
  const auto draw
    = [&] { return derive_verifying_key(draw_signing_seed(here.random)); };
  const auto once = draw();
  here.keep(here.who->renew(id, asked.key, once, here.now));
  const auto length = here.journal.size();
  here.now += 59min;
  CHECK(here.who->renew(id, asked.key, draw(), here.now).error().why
        == refusal::unavailable);
  // Who did not hear the answer gets it again.
  CHECK(here.keep(here.who->renew(id, asked.key, once, here.now)).key == once);
  CHECK(here.journal.size() == length);
  here.now += 1min;
  here.keep(here.who->renew(id, asked.key, draw(), here.now));
  CHECK(here.journal.size() == length + 1);
}

TEST_CASE("Who is removed stands in each list as long as a certificate holds") {
  office here;
  const auto terms = here.admit(here.request(here.invite(), "a"));
  CHECK(here.keep(here.who->list(here.now)).removed.empty());
  here.now += 1h;
  here.remove(terms.contents.id);
  const auto length = here.journal.size();
  here.remove(terms.contents.id);
  CHECK(here.journal.size() == length);
  const auto list = here.keep(here.who->list(here.now));
  CHECK(list.removed == std::set{terms.contents.id});
  CHECK(list.issued == here.now);
  const auto next = here.keep(here.who->list(here.now));
  CHECK(next.number == list.number + 1);
  for (int day = 0; day < 90; ++day) {
    CHECK(here.keep(here.who->list(here.now)).removed.size() == 1);
    here.now += 24h;
  }
  here.keep(here.who->list(here.now));
  CHECK(here.now > terms.until);
  CHECK(here.keep(here.who->list(here.now)).removed.empty());
  CHECK(here.who->remove(member_id{}, here.now).error().why
        == refusal::unknown_member);
}

TEST_CASE("A clock that leaps takes nobody out of the lists") {
  office here;
  const auto id = here.admit(here.request(here.invite(), "a")).contents.id;
  here.remove(id);
  for (const auto leap : {24h * 365 * 70, -24h * 365 * 100, 24h * 365 * 60}) {
    here.now += leap;
    for (int i = 0; i < 48; ++i) {
      here.now += 1h;
      CHECK(here.keep(here.who->list(here.now)).removed == std::set{id});
    }
  }
  CHECK(here.restarted()->list(here.now).answer.removed == std::set{id});
}

TEST_CASE("Nobody is removed whom the list has no room for") {
  office here;
  here.who.emplace(issuer::from_journal(here.journal.front(), 2).value());
  const auto token = here.invite(3);
  std::vector<member_id> ids;
  for (const auto* name : {"a", "b", "c"})
    ids.push_back(here.admit(here.request(token, name)).contents.id);
  here.remove(ids[0]);
  here.remove(ids[1]);
  CHECK(here.who->remove(ids[2], here.now).error().why == refusal::exhausted);
  for (int day = 0; day < 90; ++day) {
    here.now += 24h;
    here.keep(here.who->list(here.now));
  }
  here.remove(ids[2]);
  CHECK(here.keep(here.who->list(here.now)).removed == std::set{ids[2]});
}

TEST_CASE("A list with as many as it has room for is read") {
  deterministic_random random(9);
  revocation_list list{some_root().network, "first", 17, noon, {}};
  while (list.removed.size() < most_revocations)
    list.removed.insert(member_id::draw(random));
  CHECK(read_revocation_list(encode(list)) == list);
}

TEST_CASE("Epochs follow each other") {
  office here;
  CHECK(here.keep(here.who->begin_epoch(here.now)) == 1);
  CHECK(here.keep(here.who->begin_epoch(here.now)) == 2);
  CHECK(here.restarted()->epoch() == 2);
}

TEST_CASE("Ranges that are used up are an error that says so") {
  auto root = some_root();
  root.ranges = prefixes_of({"10.200.0.0/27"});
  office here(root);
  const auto token = here.invite(10);
  const auto first = here.admit(here.request(token, "a"));
  here.admit(here.request(token, "b"));
  CHECK(here.why_not(here.request(token, "c")) == "exhausted");
  here.remove(first.contents.id);
  CHECK(here.why_not(here.request(token, "c")) == "exhausted");
  here.now += 25h;
  const auto later = here.invite();
  CHECK(here.admit(here.request(later, "c")).contents.prefixes
        == first.contents.prefixes);
  CHECK(here.restarted());
}

TEST_CASE("A journal is believed as a whole or not at all") {
  office here;
  const auto token = here.invite(10);
  const auto first = here.admit(here.request(token, "a"));
  here.admit(here.request(token, "b"));
  here.remove(first.contents.id);
  here.keep(here.who->list(here.now));
  here.keep(here.who->withdraw(token.token, here.now));
  CHECK(here.restarted()->chain().head() == here.who->chain().head());

  const auto whole = here.journal;
  const auto believed = [&] { return here.restarted().has_value(); };
  for (std::size_t i = 0; i < whole.size(); ++i) {
    CAPTURE(i);
    if (i + 1 < whole.size()) {
      here.journal = whole; // without one of them
      here.journal.erase(here.journal.begin() + static_cast<std::ptrdiff_t>(i));
      CHECK_FALSE(believed());
      here.journal = whole; // in another order
      std::swap(here.journal[i], here.journal[i + 1]);
      CHECK_FALSE(believed());
    }
    here.journal = whole; // one twice
    here.journal.insert(here.journal.begin() + static_cast<std::ptrdiff_t>(i),
                        whole[i]);
    CHECK_FALSE(believed());
    if (i + 1 == whole.size())
      continue; // nothing is fastened to the last one yet
    for (std::size_t at = 0; at < whole[i].size(); at += 7) {
      here.journal = whole;
      here.journal[i][at] ^= std::byte{1};
      CHECK_FALSE(believed());
    }
  }
}

TEST_CASE("An entry that the ones before do not allow is refused") {
  office here;
  const auto token = here.invite(1);
  const auto terms = here.admit(here.request(token, "a"));
  const auto other = here.invite(5);
  const auto refused = [&](const journal_event& event) {
    const auto entry = here.who->chain().write({here.now, event});
    const auto done = here.who->take_over(entry);
    return done ? "taken over" : std::string{to_string(done.error().why)};
  };
  auto next = terms;
  next.contents.id = member_id::draw(here.random);
  next.contents.allocation = 2;
  const auto admitted = [&] {
    return refused(member_admitted{other.token, next});
  };
  CHECK(admitted() == "taken");
  next.contents.name = "b";
  CHECK(admitted() == "taken");
  next.contents.key = derive_public_key(generate_private_key(here.random));
  CHECK(admitted() == "taken");
  next.key = derive_verifying_key(draw_signing_seed(here.random));
  CHECK(admitted() == "taken"); // its prefixes
  next.contents.prefixes = prefixes_of({"192.168.0.0/28"});
  CHECK(admitted() == "outside_ranges");
  next.contents.prefixes = prefixes_of({"10.200.1.0/28"});
  next.contents.allocation = 3;
  CHECK(admitted() == "malformed");
  next.contents.allocation = 2;
  next.contents.groups = {"admins"};
  CHECK(admitted() == "not_allowed");
  next.contents.groups.clear();
  CHECK(refused(member_admitted{token.token, next}) == "used_up");
  CHECK(refused(journal_begun{some_root(), some_issuer()}) == "malformed");
  auto renewed = terms;
  renewed.contents.generation = 2;
  renewed.contents.prefixes = prefixes_of({"10.200.0.0/16"});
  CHECK(refused(member_renewed{renewed}) == "not_allowed");
  CHECK(refused(list_issued{0}) == "stale");
  CHECK(refused(epoch_begun{0}) == "stale");
  CHECK(admitted() == "taken over");
}

TEST_CASE("Two hundred joins at once get two hundred slices") {
  office here;
  const auto token = here.invite(200);
  std::vector<ip_prefix> given;
  for (int i = 0; i < 200; ++i) {
    const auto terms
      = here.admit(here.request(token, "node-" + std::to_string(i)));
    for (const auto& prefix : terms.contents.prefixes)
      given.push_back(prefix);
  }
  bool apart = true;
  for (std::size_t i = 0; i < given.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      apart = apart && !overlaps(given[i], given[j]);
  CHECK(apart);
  CHECK(here.restarted()->members().size() == 200);
}

// -- what members ask for themselves -----------------------------------------

namespace {

/// A member with the keys of its certificates.
struct seated {
  signing_seed seed;
  certificate_terms terms;

  byte_vector renewal(const verifying_key& next) const {
    return make_renewal({terms.contents.network, terms.contents.id,
                         terms.contents.generation, terms.contents.key, next},
                        seed);
  }
  byte_vector leave() const {
    return make_leave({terms.contents.network, terms.contents.id,
                       terms.contents.generation},
                      seed);
  }
};

seated seat(office& here, const std::string& name) {
  seated member;
  member.seed = draw_signing_seed(here.random);
  auto asked = here.request(here.invite(), name);
  asked.certificate = derive_verifying_key(member.seed);
  member.terms = here.admit(asked);
  return member;
}

} // namespace

TEST_CASE("A member asks for itself with the key of its newest certificate") {
  office here;
  const auto member = seat(here, "beta");
  const auto next = draw_signing_seed(here.random);
  const auto bytes = member.renewal(derive_verifying_key(next));
  REQUIRE(here.who->check_own_request(bytes));
  const auto renewed = here.keep(
    here.who->renew(member.terms.contents.id, member.terms.contents.key,
                    derive_verifying_key(next), here.now));
  CHECK(renewed.contents.generation == 2);

  // The answer was lost: asked for again, it is the same one.
  REQUIRE(here.who->check_own_request(bytes));
  CHECK_FALSE(
    here.who
      ->renew(renewed.contents.id, renewed.contents.key, renewed.key, here.now)
      ->entry);
  // The old key is good for nothing else.
  const auto third = derive_verifying_key(draw_signing_seed(here.random));
  CHECK(here.who->check_own_request(member.renewal(third)).error().why
        == refusal::stale);
  CHECK(here.who->check_own_request(member.leave()).error().why
        == refusal::stale);
  const seated now{next, renewed};
  CHECK(here.who->check_own_request(now.leave()));
}

TEST_CASE("Nobody asks for another member") {
  office here;
  const auto beta = seat(here, "beta");
  const auto gamma = seat(here, "gamma");
  auto false_beta = beta;
  false_beta.seed = gamma.seed;
  CHECK(here.who->check_own_request(false_beta.leave()).error().why
        == refusal::bad_signature);
  auto elsewhere = beta;
  elsewhere.terms.contents.network.bytes[0] ^= std::byte{1};
  CHECK(here.who->check_own_request(elsewhere.leave()).error().why
        == refusal::wrong_network);
  auto nobody = beta;
  nobody.terms.contents.id.bytes[0] ^= std::byte{1};
  CHECK(here.who->check_own_request(nobody.leave()).error().why
        == refusal::unknown_member);
}

TEST_CASE("No certificate outlives the issuer's, and one that is cut short is "
          "renewed when the issuer's is") {
  office here;
  here.who->set_end(here.now + 24h * 30);
  const auto member = seat(here, "beta");
  CHECK(member.terms.until == here.now + 24h * 30);
  const auto renew = [&] {
    return here.who->renew(member.terms.contents.id, member.terms.contents.key,
                           member.terms.key, here.now);
  };
  here.now += 24h * 25;
  CHECK_FALSE(renew()->entry); // it would end at the same time
  here.who->set_end(here.now + 24h * 400);
  CHECK(renew()->answer.until == here.now + certificate_lifetime);
  here.who->set_end(here.now);
  CHECK(renew().error().why == refusal::expired);
}

// -- a journal that was restored ---------------------------------------------

TEST_CASE("An issuer whose journal was restored takes over what it has signed "
          "since, and gives nothing out twice") {
  office here;
  const auto before = seat(here, "alpha");
  const auto open = here.invite(); // used or withdrawn since, or neither
  auto restored = here.restarted().value();
  // What the backup lacks: beta came, gamma came and went, alpha renewed.
  const auto beta = seat(here, "beta");
  const auto gamma = seat(here, "gamma");
  here.remove(gamma.terms.contents.id);
  const auto list = here.keep(here.who->list(here.now));
  const auto alpha = here.keep(here.who->renew(
    before.terms.contents.id, before.terms.contents.key,
    derive_verifying_key(draw_signing_seed(here.random)), here.now));

  const auto keep = [&](const auto& made) {
    REQUIRE(made.entry);
    REQUIRE(restored.take_over(*made.entry));
  };
  keep(restored.adopt_removal(gamma.terms.contents.id, here.now).value());
  keep(restored.adopt_list(list.number, here.now));
  CHECK(restored.adopt(gamma.terms, here.now).error().why == refusal::revoked);
  keep(restored.adopt(beta.terms, here.now).value());
  CHECK_FALSE(restored.adopt(beta.terms, here.now)->entry);
  keep(restored.adopt(alpha, here.now).value());
  CHECK_FALSE(restored.adopt(before.terms, here.now)->entry); // an older one
  keep(restored.finish_recovery(here.now));

  CHECK(restored.find_member("alpha")->terms == alpha);
  CHECK(restored.find_member("beta")->terms == beta.terms);
  CHECK(restored.list(here.now).answer.number > list.number);
  CHECK(restored.list(here.now).answer.removed
        == std::set{gamma.terms.contents.id});
  const auto epoch = restored.begin_epoch(here.now, 1'790'000'000);
  CHECK(epoch.answer == 1'790'000'000);

  here.who = std::move(restored);
  CHECK(here.why_not(here.request(open, "thief")) == "withdrawn");
  const auto delta = seat(here, "delta");
  CHECK(delta.terms.contents.prefixes != beta.terms.contents.prefixes);
  CHECK(delta.terms.contents.allocation > recovery_gap);
  CHECK(here.why_not(here.request(here.invite(), "beta")) == "taken");
}
