// The issuer with its keys and journal: what it answers, what of it is on the
// disk, and what a directory gets to see.
#include "tests/issuer/issuer_home.hpp"

#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

TEST_CASE("who has a token gets a certificate up to the root, and the secret") {
  issuer_home here;
  const joiner beta("beta");
  const auto admission = here.admit(beta);
  REQUIRE(admission.certificates.size() == 2);
  const auto root = must(read_authority(here.folder)).root;
  const auto own
    = must(verify_chain(root, admission.certificates, here.time()));
  const auto contents = std::get<member_contents>(own.contents);
  CHECK(contents.name == "beta");
  CHECK(contents.key == derive_public_key(beta.keys.wireguard));
  CHECK(own.key == derive_verifying_key(beta.keys.certificate));
  REQUIRE(admission.secret);
  CHECK(open_with_token(beta.keys.token, *admission.secret, some_root().network)
          ->epoch
        == 1);
  // It is among the items, with the list that it counts with.
  CHECK(here.items().at(item_key(item_kind::certificate, contents.id))
        == admission.certificates.front());
  CHECK(here.list().number >= contents.revocation);
}

TEST_CASE("a lost answer costs nothing, also over a restart") {
  issuer_home here;
  const joiner beta("beta");
  const auto first = here.admit(beta);
  here.start();
  const auto again
    = here.get<join_answer_given>(beta.admission(), role::directory).admission;
  CHECK(again.certificates == first.certificates);
  CHECK(again.secret);

  const auto contents = contents_of(first.certificates.front());
  const auto next = derive_verifying_key(draw_signing_seed(real_random()));
  const auto question = renewal(contents, beta.keys.certificate, next);
  const auto renewed
    = here.get<certified_answer>(question, role::directory).certificates;
  CHECK(contents_of(renewed.front()).generation == 2);
  here.start();
  CHECK(here.get<certified_answer>(question, role::directory).certificates
        == renewed);
}

TEST_CASE("many who ask at once are decided together, and get a slice each") {
  issuer_home here;
  joiner first("node-0");
  here.get<issuing_done>(ask_invitation{first.token(here.time() + 1h, 200)});
  for (std::uint64_t i = 0; i < 200; ++i)
    here.service->ask(
      i, role::directory,
      joiner("node-" + std::to_string(i), first.keys.token).admission(),
      here.now);
  const auto answers = here.service->settle(here.now);
  REQUIRE(answers.size() == 200);
  std::set<ip_prefix> slices;
  std::set<std::uint64_t> allocations;
  for (const auto& each : answers) {
    const auto contents = contents_of(
      as<join_answer_given>(each.answer).admission.certificates.front());
    slices.insert(contents.prefixes.begin(), contents.prefixes.end());
    allocations.insert(contents.allocation);
  }
  CHECK(slices.size() == 400); // one of each family
  CHECK(allocations.size() == 200);
  const auto names = here.items();
  here.start();
  CHECK(here.service->state().members().size() == 200);
  CHECK(here.items().size() == names.size());
}

TEST_CASE("who is removed is named in a list at once, its token lets nobody in "
          "and the secret is another one") {
  issuer_home here;
  const joiner beta("beta");
  const auto admission = here.admit(beta);
  const auto id = contents_of(admission.certificates.front()).id;
  const auto before
    = open_with_token(beta.keys.token, *admission.secret, some_root().network);
  REQUIRE(before);
  const auto list = here.list();
  here.items();
  const auto place = here.place;
  here.get<issuing_done>(ask_removal{"beta"});
  CHECK(here.list().removed == std::set{id});
  CHECK(here.list().number > list.number);
  CHECK(here.items().count(item_key(item_kind::certificate, id)) == 0);
  const auto news
    = here.get<issued_items>(ask_items{place, 0s}, role::directory);
  CHECK(std::count(news.gone.begin(), news.gone.end(),
                   item_key(item_kind::certificate, id))
        == 1);
  // The second epoch's secret comes under the first one's.
  const auto box = here.items().at(epoch_key(2));
  CHECK(open_under(*before, {2, box}, some_root().network)->epoch == 2);
  CHECK(here.refusal_of(joiner("other", beta.keys.token).admission(),
                        role::directory)
        == "withdrawn");
  CHECK(here.refusal_of(ask_removal{"beta"}) == "unknown_member");
}

TEST_CASE("who leaves takes nobody else's token along, and may ask twice") {
  issuer_home here;
  const joiner beta("beta");
  const auto token = beta.token(here.time() + 1h, 2);
  here.get<issuing_done>(ask_invitation{token});
  const auto contents
    = contents_of(here.get<join_answer_given>(beta.admission(), role::directory)
                    .admission.certificates.front());
  const ask_for_itself leave{
    make_leave({contents.network, contents.id, 1}, beta.keys.certificate)};
  here.get<issuing_done>(leave, role::directory);
  here.get<issuing_done>(leave, role::directory);
  CHECK(here.list().removed == std::set{contents.id});
  here.get<join_answer_given>(joiner("gamma", beta.keys.token).admission(),
                              role::directory);
  CHECK(here.refusal_of(renewal(contents, beta.keys.certificate,
                                derive_verifying_key(beta.keys.token)),
                        role::directory)
        == "revoked");
}

TEST_CASE("a directory asks for what is a directory's, and for nothing else") {
  issuer_home here;
  const joiner beta("beta");
  for (const auto& question :
       {issuing_question{ask_invitation{beta.token(here.time() + 1h)}},
        issuing_question{ask_withdrawal{}},
        issuing_question{ask_removal{"beta"}}, issuing_question{ask_rekeying{}},
        issuing_question{ask_directory_certificate{"alpha", {}}},
        issuing_question{ask_tokens{}}, issuing_question{ask_members{}},
        issuing_question{ask_state{}}, issuing_question{ask_adoption{}},
        issuing_question{ask_backup{"/tmp/backup"}}})
    CHECK(here.refusal_of(question, role::directory) == "not_allowed");
}

TEST_CASE("without a proof nobody is let in") {
  issuer_home here;
  const joiner beta("beta");
  here.get<issuing_done>(ask_invitation{beta.token(here.time() + 1h)});
  auto other_session = beta.admission();
  other_session.exporter[0] ^= std::byte{1};
  CHECK(here.refusal_of(other_session, role::directory) == "bad_signature");
  auto other_request = beta.admission();
  other_request.request.request.back() ^= std::byte{1};
  CHECK_FALSE(here.refusal_of(other_request, role::directory).empty());
  CHECK(here.refusal_of(joiner("beta").admission(), role::directory)
        == "unknown_invitation");
}

TEST_CASE("a list is signed hourly, and items are waited for until then") {
  issuer_home here;
  here.items();
  const auto list = here.list();
  here.service->ask(7, role::directory, ask_items{here.place, 30s}, here.now);
  CHECK(here.service->settle(here.now).empty());
  CHECK(here.service->next_deadline() == here.now.now + 30s);
  here.pass(30s);
  auto answers = here.service->settle(here.now);
  REQUIRE(answers.size() == 1);
  CHECK(as<issued_items>(answers.front().answer).items.empty());

  here.service->ask(7, role::directory, ask_items{here.place, 30s}, here.now);
  here.service->forget(7);
  here.pass(1h);
  CHECK(here.service->settle(here.now).empty());
  CHECK(here.list().number > list.number);
  CHECK(here.list().issued == here.time());

  // What changes is told of at once.
  here.items();
  here.service->ask(7, role::directory, ask_items{here.place, 30s}, here.now);
  here.service->ask(8, role::root, ask_rekeying{}, here.now);
  answers = here.service->settle(here.now);
  CHECK(answers.size() == 2);
}

TEST_CASE("a directory gets a certificate, and the root's words for it") {
  issuer_home here;
  const auto key = derive_verifying_key(draw_signing_seed(real_random()));
  const auto chain
    = here.get<certified_answer>(ask_directory_certificate{"alpha", key})
        .certificates;
  const auto root = must(read_authority(here.folder)).root;
  const auto own = must(verify_chain(root, chain, here.time()));
  CHECK(
    own.contents
    == certificate_contents{directory_contents{some_root().network, "alpha"}});
  CHECK(own.key == key);
  CHECK(here.refusal_of(ask_directory_certificate{"not a word", key})
        == "malformed");
}

TEST_CASE("tokens and members come in pages, and the state is told") {
  issuer_home here;
  for (int i = 0; i < 3; ++i)
    here.admit(joiner("node-" + std::to_string(i)));
  here.get<issuing_done>(ask_removal{"node-1"});
  const auto tokens = here.get<tokens_answer>(ask_tokens{});
  CHECK(tokens.tokens.size() == 3);
  CHECK_FALSE(tokens.more);
  CHECK(here.get<tokens_answer>(ask_tokens{tokens.tokens.front().terms.token})
          .tokens.size()
        == 2);
  const auto members = here.get<members_answer>(ask_members{}).members;
  REQUIRE(members.size() == 3);
  CHECK(std::count_if(members.begin(), members.end(),
                      [](const auto& each) { return each.removed; })
        == 1);
  const auto state = here.get<state_answer>(ask_state{});
  CHECK(state.root == some_root());
  CHECK(state.members == 2);
  CHECK(state.epoch == 2);
  CHECK(state.journal == here.service->state().chain().length());
  CHECK(state.ends == noon + issuer_lifetime);
  CHECK_FALSE(state.recovering);
}

TEST_CASE("an issuer's new certificate reaches directories that know all "
          "else") {
  issuer_home here;
  here.items();
  const auto place = here.place;
  here.start(); // nothing is new, not even a list
  CHECK(here.items(place).empty());
  here.pass(1h);
  here.start();
  CHECK(here.items(place).size() == 1);
  here.pass(24h * 20);
  must(renew_issuer(here.folder, here.time(), real_random()));
  here.start();
  const auto news = here.items(place);
  CHECK(news.at(item_key(item_kind::issuer, "first"))
        == here.service->certificate().der);
}

TEST_CASE("a clock far from the journal's last entry signs nothing before root "
          "says that it is right") {
  issuer_home here;
  const auto list = here.list().number;
  const joiner beta("beta");
  for (const auto leap : {24h * 31, -24h * 62}) {
    here.now.wall += leap;
    here.now.now += 2h;
    CHECK(here.refusal_of(ask_invitation{beta.token(here.time() + 1h)})
          == "unavailable");
    CHECK(here.list().number == list);
    here.start();
    CHECK(here.list().number == list);
    here.get<state_answer>(ask_state{});
  }
  const auto news = here.service->take_news();
  CHECK(std::any_of(news.begin(), news.end(), [](const auto& each) {
    return each.is_trouble
           && each.text.find("--clock-is-right") != std::string::npos;
  }));
  here.now.wall = noon + 24h * 100;
  here.service.reset();
  must(issuer_service::open(here.folder, here.now, real_random(),
                            issuer_service::clock_word::is_right));
  here.start();
  here.admit(beta);
  CHECK(here.list().issued == here.time());
}

TEST_CASE("what has ended stays so when the clock goes back") {
  issuer_home here;
  const joiner beta("beta");
  here.get<issuing_done>(ask_invitation{beta.token(here.time() + 1h)});
  here.pass(2h);
  here.service->settle(here.now); // an hour's list
  here.now.wall -= 2h;
  here.start();
  CHECK(here.refusal_of(beta.admission(), role::directory) == "expired");
  // Who is let in now has a certificate that holds by the right clock as well.
  const joiner gamma("gamma");
  here.get<issuing_done>(ask_invitation{gamma.token(here.time() + 24h)});
  const auto own = must(read_network_certificate(
    here.get<join_answer_given>(gamma.admission(), role::directory)
      .admission.certificates.front()));
  CHECK(own.from == here.time() - 10min);
}

TEST_CASE("an epoch goes when every certificate of its day has ended") {
  issuer_home here;
  here.get<issuing_done>(ask_rekeying{});
  CHECK(here.items().count(epoch_key(2)) == 1);
  for (int day = 0; day < 90; ++day) {
    here.pass(24h);
    here.service->settle(here.now);
  }
  CHECK(here.items().count(epoch_key(2)) == 1);
  here.get<issuing_done>(ask_rekeying{});
  here.pass(24h);
  here.service->settle(here.now);
  CHECK(here.items().count(epoch_key(2)) == 0);
  CHECK(here.items().count(epoch_key(3)) == 1);
}

TEST_CASE("the end of the issuer's certificate is told of in time, daily") {
  issuer_home here;
  const auto warnings = [&] {
    here.service->settle(here.now);
    const auto news = here.service->take_news();
    return std::count_if(news.begin(), news.end(),
                         [](const auto& each) { return each.is_trouble; });
  };
  CHECK(warnings() == 0);
  // Not one leap, which would be the clock's.
  for (auto left = issuer_lifetime - 24h * 61; left > 0h; left -= 24h * 29) {
    here.pass(std::min<std::chrono::hours>(left, 24h * 29));
    CHECK(warnings() == 0);
  }
  here.pass(24h * 2);
  CHECK(warnings() == 1);
  CHECK(warnings() == 0);
  here.pass(24h);
  CHECK(warnings() == 1);
}

namespace {

/// Members ask to be let in until the disk is full.  Returns whose answer says
/// that they are; nothing, if the disk has not become full, or the service has
/// failed.
std::set<std::string>
admit_until_full(issuer_service& service, const joiner& first, instant now) {
  std::set<std::string> answered;
  int refused = 0;
  for (int i = 0; i < 2000 && refused < 3; ++i) {
    const auto name = "node-" + std::to_string(i);
    service.ask(1, role::directory, joiner(name, first.keys.token).admission(),
                now);
    for (const auto& each : service.settle(now)) {
      if (std::holds_alternative<join_answer_given>(each.answer))
        answered.insert(name);
      else
        ++refused;
    }
  }
  if (refused < 3 || service.failure())
    answered.clear();
  return answered;
}

} // namespace

TEST_CASE("what cannot be written was never decided") {
  if (::geteuid() != 0) {
    WARN("skipped: it mounts a small file system, which needs root");
    return;
  }
  const temporary_folder around;
  const auto code = in_child([&]() -> int {
    if (::unshare(CLONE_NEWNS) != 0
        || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0
        || ::mount("weft", around.path().c_str(), "tmpfs", 0,
                   "size=600k,mode=700")
             != 0)
      return 77;
    // Not even its first entry: it says so.
    const auto full = around.path() + "/full";
    write_file(full, std::string(560'000, 'x'));
    const auto folder = around.path() + "/prod";
    must(
      make_authority(folder, some_root(), some_issuer(), noon, real_random()));
    instant now{time_point{1h}, wall_time{noon}};
    if (issuer_service::open(folder, now, real_random()))
      return 2;
    std::filesystem::remove(full);
    auto service = must(issuer_service::open(folder, now, real_random()));
    joiner first("node-0");
    service.ask(0, role::root, ask_invitation{first.token(noon + 1h, 10'000)},
                now);
    service.settle(now);
    auto answered = admit_until_full(service, first, now);
    if (answered.empty())
      return 3;
    // Who was answered is there, and nobody else.
    for (const auto& [id, member] : service.state().members()) {
      if (answered.erase(member.terms.contents.name) != 1)
        return 4;
    }
    return answered.empty() ? 0 : 5;
  });
  if (code == 77) {
    WARN("skipped: no mount namespace can be made here");
    return;
  }
  CHECK(code == 0);
}
