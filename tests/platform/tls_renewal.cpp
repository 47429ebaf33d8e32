// Files of a TLS context that cannot be read for a while, and lists of
// revocations that go back.
#include "tests/platform/tls_support.hpp"

#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

namespace fs = std::filesystem;

/// As long as it lives, this process can open no file.
class no_descriptors {
public:
  no_descriptors() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    auto none = before_;
    none.rlim_cur = 0;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~no_descriptors() {
    ::setrlimit(RLIMIT_NOFILE, &before_);
  }
  no_descriptors(const no_descriptors&) = delete;
  no_descriptors& operator=(const no_descriptors&) = delete;

private:
  rlimit before_{};
};

} // namespace

TEST_CASE("what changed while no file could be opened is in force once one can "
          "be") {
  test_pki pki;
  auto server = server_of(pki.issue("gw", control_role::node));
  const auto client = client_of(pki.issue("alice", control_role::operate));
  connection_pair open{client, server};
  REQUIRE(open.established());
  const auto before = server.own().serial;
  SECTION("a revocation") {
    pki.revoke("alice");
    {
      const no_descriptors starved;
      const auto first = server.reload_if_changed();
      REQUIRE_FALSE(first);
      CHECK_THAT(first.error().message, Contains("Too many open files"));
      CHECK(server.reload_if_changed() == false);
      CHECK_FALSE(server.objection_to(open.server, wall_now()));
    }
    CHECK(server.reload_if_changed() == true);
    CHECK(server.objection_to(open.server, wall_now()));
  }
  SECTION("a renewed certificate and its key") {
    pki.issue("gw", control_role::node);
    {
      const no_descriptors starved;
      CHECK_FALSE(server.reload_if_changed());
      CHECK(server.own().serial == before);
    }
    CHECK(server.reload_if_changed() == true);
    CHECK(server.own().serial != before);
  }
  CHECK(server.reload_if_changed() == false);
}

TEST_CASE("a file that is away for a moment and comes back as it was is tried "
          "until it is there") {
  test_pki pki;
  auto server = server_of(pki.issue("gw", control_role::node));
  const auto file = GENERATE("gw.pem", "gw.key", "ca.pem", "crl.pem");
  const auto path = pki.path(file);
  fs::rename(path, path + ".away");
  if (GENERATE(false, true))
    fs::create_directory(path);
  const auto away = server.reload_if_changed();
  REQUIRE_FALSE(away);
  CHECK_THAT(away.error().message, Contains(path));
  CHECK(server.reload_if_changed() == false);
  fs::remove(path);
  std::ignore = server.reload_if_changed();
  fs::rename(path + ".away", path);
  CHECK(server.reload_if_changed() == true);
  CHECK(server.reload_if_changed() == false);
}

TEST_CASE("a revocation is taken over while the own certificate stays "
          "unreadable") {
  test_pki pki;
  auto server = server_of(pki.issue("gw", control_role::node));
  const auto client = client_of(pki.issue("alice", control_role::operate));
  connection_pair open{client, server};
  REQUIRE(open.established());
  fs::remove(pki.path("gw.pem"));
  CHECK_FALSE(server.reload_if_changed());
  CHECK(server.reload_if_changed() == false);
  pki.revoke("alice");
  CHECK(server.reload_if_changed() == true);
  CHECK(server.objection_to(open.server, wall_now()));
}

TEST_CASE("an older list of revocations does not let the revoked back in") {
  test_pki pki;
  temporary_folder state;
  auto files = pki.issue("gw", control_role::node);
  files.memory = state.path() + "/deep/gw.revocations";
  auto server = server_of(files);
  const auto client = client_of(pki.issue("alice", control_role::operate));
  const auto old = pki.text_of("crl.pem");
  pki.revoke("alice");
  REQUIRE(server.reload_if_changed() == true);
  pki.put("crl.pem", old);
  const auto back = server.reload_if_changed();
  REQUIRE_FALSE(back);
  CHECK_THAT(back.error().message, Contains("older than one that was in force")
                                     && Contains("newest crl.pem")
                                     && Contains(files.memory));
  CHECK_FALSE(connection_pair(client, server).established());
  // Nor after a restart.
  const auto again = tls_context::server(files);
  REQUIRE_FALSE(again);
  CHECK_THAT(again.error().message, Contains("older than one"));
  CHECK(server.take_warnings().empty());
  struct stat kept {};
  REQUIRE(::stat(files.memory.c_str(), &kept) == 0);
  CHECK((kept.st_mode & 0777U) == 0600U);
}

TEST_CASE("a damaged memory of lists is ignored with a warning, and mended") {
  test_pki pki;
  temporary_folder state;
  auto files = pki.issue("gw", control_role::node);
  files.memory = state.path() + "/gw.revocations";
  const auto damaged
    = GENERATE(std::string("junk\n"), std::string(64, 'a') + " 0\n",
               std::string(64, 'a') + ' ' + std::string(41, '1') + '\n',
               std::string(64, 'a') + " 12 13\n", std::string("\0\0\n", 3));
  const auto put = replace_file(files.memory, damaged, 0600);
  REQUIRE(put);
  auto server = server_of(files);
  const auto warnings = server.take_warnings();
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], Contains(files.memory) && Contains("damaged"));
  CHECK(server.take_warnings().empty());
  CHECK(server_of(files).take_warnings().empty());
}

TEST_CASE("a memory of lists that cannot be written is told of once") {
  test_pki pki;
  auto files = pki.issue("gw", control_role::node);
  files.memory = "/proc/weft-makes-no-folder-here/gw.revocations";
  auto server = server_of(files);
  const auto warnings = server.take_warnings();
  REQUIRE_FALSE(warnings.empty());
  CHECK_THAT(warnings.back(), Contains("would be taken over"));
  pki.revoke("nobody");
  REQUIRE(server.reload_if_changed() == true);
  CHECK(server.take_warnings().empty());
}

TEST_CASE("a memory of lists that cannot be read keeps everybody out, and says "
          "what to do") {
  test_pki pki;
  temporary_folder state;
  auto files = pki.issue("gw", control_role::node);
  REQUIRE(replace_file(state.path() + "/file", "", 0600));
  files.memory
    = state.path() + GENERATE("", "/file/gw.revocations"); // nobody's to read
  const auto refused = tls_context::server(files);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message,
             Contains(files.memory) && Contains("chown"));
  files.revocations.clear(); // nothing to be remembered
  CHECK(tls_context::server(files));
}

TEST_CASE("an authority that was away comes back with no older list") {
  test_pki pki;
  test_pki other{"another authority"};
  temporary_folder state;
  auto files = pki.issue("gw", control_role::node);
  if (GENERATE(true, false))
    files.memory = state.path() + "/gw.revocations";
  other.issue("alice", control_role::operate);
  const auto own = pki.text_of("ca.pem");
  const auto own_list = pki.text_of("crl.pem");
  const auto old_list = other.text_of("crl.pem");
  other.revoke("alice");
  const auto both = own + other.text_of("ca.pem");
  pki.put("ca.pem", both);
  pki.put("crl.pem", own_list + other.text_of("crl.pem"));
  auto server = server_of(files);
  pki.put("ca.pem", own);
  pki.put("crl.pem", own_list);
  REQUIRE(server.reload_if_changed() == true);
  pki.put("ca.pem", both);
  pki.put("crl.pem", own_list + old_list);
  const auto back = server.reload_if_changed();
  REQUIRE_FALSE(back);
  CHECK_THAT(back.error().message, Contains("older than one"));
  if (!files.memory.empty())
    CHECK_FALSE(tls_context::server(files)); // nor after a restart
}

TEST_CASE("the number of a list rises when the clock was put back") {
  test_pki pki;
  const auto files = pki.issue("gw", control_role::node);
  auto server = server_of(files);
  const auto former = pki.text_of("crl.pem");
  const auto list
    = pki.authority().revoke({}, wall_now() - std::chrono::hours{20}, former);
  REQUIRE(list);
  pki.put("crl.pem", *list);
  CHECK(server.reload_if_changed() == true);
}
