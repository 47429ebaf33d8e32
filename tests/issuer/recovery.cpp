// An issuer that goes on from a backup, and files that it does not go on with.
#include "tests/issuer/issuer_home.hpp"
#include "tests/on_disk.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

using namespace weft;
using namespace weft::test;
using Catch::Contains;
using namespace std::chrono_literals;

TEST_CASE("an issuer that was restored gives nothing out before it was shown "
          "what it has signed since, and then nothing twice") {
  issuer_home here;
  const joiner alpha("alpha");
  here.admit(alpha);
  const joiner epsilon("epsilon");
  here.get<issuing_done>(ask_invitation{epsilon.token(here.time() + 1h)});
  const auto backup = here.around.path() + "/backup";
  here.get<issuing_done>(ask_backup{backup});
  here.get<join_answer_given>(epsilon.admission(), role::directory);
  CHECK(here.refusal_of(ask_adoption{}) == "not_allowed");
  // What the backup lacks.
  const joiner beta("beta");
  const joiner gamma("gamma");
  const auto lost = contents_of(here.admit(beta).certificates.front());
  const auto gone = contents_of(here.admit(gamma).certificates.front()).id;
  here.get<issuing_done>(ask_removal{"gamma"});
  const auto list = here.list();
  const auto held = here.items(); // by a directory
  const auto place = here.place;

  here.service.reset();
  std::filesystem::remove_all(journal_folder(here.folder));
  here.pass(60s);
  must(recover_issuer(here.folder, backup, here.now));
  here.start();
  CHECK(here.service->is_recovering());
  CHECK(here.get<state_answer>(ask_state{}).recovering);
  const joiner delta("delta");
  CHECK(here.refusal_of(ask_invitation{delta.token(here.time() + 1h)})
        == "unavailable");
  CHECK(here.refusal_of(alpha.admission(), role::directory) == "unavailable");
  here.pass(2h);
  here.service->settle(here.now); // no list without the removed ones

  ask_adoption shown;
  for (const auto& [key, content] : held)
    shown.items.push_back({key, content});
  here.get<issuing_done>(shown);
  CHECK(here.service->is_recovering());
  here.get<issuing_done>(ask_adoption{{}, true});
  CHECK_FALSE(here.service->is_recovering());
  here.start();
  CHECK_FALSE(here.service->is_recovering());

  CHECK(here.list().removed.count(gone) == 1);
  CHECK(here.list().number > list.number);
  CHECK(here.refusal_of(joiner("thief", epsilon.keys.token).admission(),
                        role::directory)
        == "withdrawn");
  const auto next = contents_of(here.admit(delta).certificates.front());
  CHECK(next.allocation > lost.allocation + 1000);
  CHECK(next.prefixes != lost.prefixes);
  here.get<certified_answer>(
    renewal(lost, beta.keys.certificate,
            derive_verifying_key(draw_signing_seed(real_random()))),
    role::directory);
  // A directory that knows a place of before gets all again.
  CHECK(here.items(place).size() > 4);
  CHECK(here.service->state().epoch() > 1'000'000'000);
}

TEST_CASE("what others have signed is not taken over") {
  issuer_home here;
  const joiner alpha("alpha");
  here.admit(alpha);
  const auto backup = here.around.path() + "/backup";
  here.get<issuing_done>(ask_backup{backup});
  issuer_home other; // of the same names, with keys of its own
  const joiner beta("beta");
  other.admit(beta);
  other.get<issuing_done>(ask_removal{"beta"});
  const joiner gamma("gamma");
  other.admit(gamma);
  ask_adoption shown{{}, true};
  for (const auto& [key, content] : other.items())
    shown.items.push_back({key, content});
  shown.items.push_back({{}, {}});
  shown.items.push_back({item_key(item_kind::certificate, member_id{}), {}});

  here.service.reset();
  std::filesystem::remove_all(journal_folder(here.folder));
  must(recover_issuer(here.folder, backup, here.now));
  here.start();
  here.get<issuing_done>(shown);
  CHECK(here.service->state().members().size() == 1);
  CHECK(here.list().removed.empty());
}

TEST_CASE("a journal that is lost is not begun anew") {
  issuer_home here;
  const auto backup = here.around.path() + "/backup";
  here.get<issuing_done>(ask_backup{backup});
  here.service.reset();
  std::filesystem::remove_all(journal_folder(here.folder));
  const auto opened
    = issuer_service::open(here.folder, here.now, real_random());
  REQUIRE_FALSE(opened);
  CHECK_THAT(opened.error().message,
             Contains("is gone") && Contains("--recover BACKUP"));
  std::filesystem::remove_all(journal_folder(here.folder));
  must(recover_issuer(here.folder, backup, here.now));
  here.start();
  CHECK(here.service->is_recovering());
}

TEST_CASE("a backup of another network's issuer is refused at once, and leaves "
          "no journal") {
  issuer_home here;
  auto root = some_root();
  deterministic_random random(99);
  root.network = network_id::draw(random);
  auto issuer = some_issuer();
  issuer.network = root.network;
  const auto other = here.around.path() + "/other";
  must(make_authority(other, root, issuer, noon, real_random()));
  const auto backup = here.around.path() + "/backup";
  here.get<issuing_done>(ask_backup{backup});
  const auto refused = recover_issuer(other, backup, here.now);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message,
             Contains("is not a backup of the issuer") && Contains(other));
  CHECK_FALSE(std::filesystem::exists(journal_folder(other)));
}

TEST_CASE("what root does with an issuer's files makes none that the issuer "
          "cannot use") {
  if (::geteuid() != 0) {
    WARN("skipped: it acts as another user, which needs root");
    return;
  }
  issuer_home here;
  const auto backup = here.around.path() + "/backup"; // root's alone
  here.get<issuing_done>(ask_backup{backup});
  here.service.reset();
  std::filesystem::remove_all(journal_folder(here.folder));
  constexpr uid_t somebody = 12345;
  REQUIRE(::chmod(here.around.path().c_str(), 0755) == 0);
  for (const auto& each :
       std::filesystem::recursive_directory_iterator{here.folder})
    REQUIRE(::chown(each.path().c_str(), somebody, somebody) == 0);
  REQUIRE(::chown(here.folder.c_str(), somebody, somebody) == 0);
  // As root has put it back.
  REQUIRE(::chown(root_key_file(here.folder).c_str(), 0, 0) == 0);

  must(recover_issuer(here.folder, backup, here.now));
  must(renew_issuer(here.folder, noon + 1h, real_random()));
  CHECK(::geteuid() == 0);
  for (const auto& each :
       std::filesystem::recursive_directory_iterator{here.folder}) {
    INFO(each.path());
    CHECK(info_of(each.path()).st_uid
          == (each.path() == root_key_file(here.folder) ? 0 : somebody));
  }
}

TEST_CASE("a damaged journal's remedy is weft-issuer's") {
  issuer_home here;
  here.service.reset();
  const auto file
    = journal_folder(here.folder) + '/' + std::string{journal_file_name};
  std::filesystem::resize_file(file, 10'000);
  const auto opened
    = issuer_service::open(here.folder, here.now, real_random());
  REQUIRE_FALSE(opened);
  CHECK_THAT(opened.error().message,
             Contains("weft-issuer FOLDER --recover BACKUP")
               && !Contains("network recover"));
}

TEST_CASE("a journal of another issuer is not gone on with") {
  issuer_home here;
  issuer_home other;
  here.service.reset();
  other.service.reset();
  std::filesystem::remove_all(journal_folder(here.folder));
  auto root = some_root();
  deterministic_random random(99);
  root.network = network_id::draw(random);
  auto issuer = some_issuer();
  issuer.network = root.network;
  const auto folder = here.around.path() + "/third";
  must(make_authority(folder, root, issuer, noon, real_random()));
  std::filesystem::rename(journal_folder(other.folder), journal_folder(folder));
  const auto opened = issuer_service::open(folder, here.now, real_random());
  REQUIRE_FALSE(opened);
  CHECK_THAT(opened.error().message, Contains("is not of the issuer"));
}
