#include "platform/certificates.hpp"
#include "platform/clock.hpp"
#include "platform/files.hpp"
#include "platform/random.hpp"
#include "platform/tls.hpp"
#include "protocol/base/keys.hpp"
#include "temporary_folder.hpp"
#include "tests/catch.hpp"
#include "tests/on_disk.hpp"
#include "tools/weft/commands/commands.hpp"
#include "tools/weft/pki/pki_folder.hpp"

#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>
#include <thread>

using namespace weft;
using Catch::Contains;
using weft::test::mode_of;

namespace {

using json = nlohmann::json;

std::string generate_key_text() {
  system_random random;
  return to_base64(generate_private_key(random).bytes());
}

/// A folder of `weft pki`, and what the last command printed.
struct office {
  temporary_folder place;
  pki_options options;
  std::string out;
  std::string err;

  office() {
    options.folder = place.path() + "/weft/pki";
  }
  int run(int (*command)(const pki_options&, const streams&),
          const std::string& name = "") {
    std::istringstream in;
    std::ostringstream to_out;
    std::ostringstream to_err;
    options.name = name;
    const int code = command(options, {in, to_out, to_err});
    out = to_out.str();
    err = to_err.str();
    return code;
  }
  int issue(const std::string& name, const std::string& role) {
    options.role = role;
    return run(issue_certificate, name);
  }
  std::string path(const std::string& file) const {
    return options.folder + '/' + file;
  }
  std::string text_of(const std::string& file) const {
    return temporary_folder::read(path(file));
  }
  certificate_info info_of(const std::string& name) const {
    const auto info = read_certificate(text_of(name + ".pem"));
    if (!info)
      FAIL(info.error().message);
    return *info;
  }
  tls_files files(const std::string& name) const {
    return {path(name + ".pem"), path(name + ".key"), path("ca.pem"),
            path("crl.pem")};
  }
};

} // namespace

TEST_CASE("init makes an authority that only its owner can use") {
  office hq;
  const auto before = ::umask(0);
  const int code = hq.run(make_authority, "headquarters");
  ::umask(before);
  REQUIRE(code == exit_fine);
  CHECK(hq.err.empty());
  CHECK_THAT(hq.out, Contains("'headquarters'"));
  CHECK(mode_of(hq.options.folder) == 0700);
  CHECK(mode_of(hq.path("ca.key")) == 0600);
  CHECK(mode_of(hq.path("index")) == 0600);
  CHECK(mode_of(hq.path("ca.pem")) == 0644);
  const auto info = hq.info_of("ca");
  CHECK(info.name == "headquarters");
  const auto left = info.not_after - wall_now();
  CHECK(left > std::chrono::hours{24 * 3649});
  CHECK(left <= std::chrono::hours{24 * 3650});
  CHECK_THAT(hq.text_of("crl.pem"), Contains("BEGIN X509 CRL"));
}

TEST_CASE("init never replaces an authority") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  const auto key = hq.text_of("ca.key");
  CHECK(hq.run(make_authority) == exit_mistaken);
  CHECK_THAT(hq.err, Contains("ca.key is there already"));
  CHECK(hq.text_of("ca.key") == key);
  // Nor where the key is kept elsewhere.
  std::filesystem::remove(hq.path("ca.key"));
  CHECK(hq.run(make_authority) == exit_mistaken);
  CHECK_FALSE(std::filesystem::exists(hq.path("ca.key")));
}

TEST_CASE("issue makes certificates that TLS takes for their roles") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  REQUIRE(hq.issue("alice", "operator") == exit_fine);
  REQUIRE(hq.issue("bob", "viewer") == exit_fine);
  hq.options.hosts = {"10.1.2.3", "gw.example.org"};
  REQUIRE(hq.issue("gw", "node") == exit_fine);
  CHECK(hq.info_of("alice").role == control_role::operate);
  CHECK(hq.info_of("bob").role == control_role::view);
  CHECK(hq.info_of("gw").role == control_role::node);
  for (const auto* name : {"alice", "bob", "gw"})
    CHECK(mode_of(hq.path(std::string{name} + ".key")) == 0600);
  for (const auto* name : {"alice", "bob"}) {
    CHECK(tls_context::client(hq.files(name)));
    CHECK_FALSE(tls_context::server(hq.files(name)));
  }
  CHECK(tls_context::server(hq.files("gw")));
  CHECK_FALSE(tls_context::client(hq.files("gw")));
}

TEST_CASE("issue holds a certificate for as long as was asked") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  hq.options.days = 3;
  REQUIRE(hq.issue("alice", "operator") == exit_fine);
  const auto left = hq.info_of("alice").not_after - wall_now();
  CHECK(left > std::chrono::hours{71});
  CHECK(left <= std::chrono::hours{72});
  // Of use at once where the clock is slow.
  CHECK(hq.info_of("alice").not_before < wall_now() - std::chrono::minutes{59});
}

TEST_CASE("issuing again renews, with a new key and serial number") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  REQUIRE(hq.issue("alice", "operator") == exit_fine);
  const auto before = hq.info_of("alice");
  const auto key = hq.text_of("alice.key");
  REQUIRE(hq.issue("alice", "operator") == exit_fine);
  CHECK(hq.err.empty());
  CHECK(hq.info_of("alice").serial != before.serial);
  CHECK(hq.text_of("alice.key") != key);
  CHECK(tls_context::client(hq.files("alice")));
  const auto index = read_index(hq.options.folder);
  REQUIRE(index);
  REQUIRE(index->size() == 2);
  CHECK((*index)[0].serial == before.serial);
  CHECK((*index)[1].serial == hq.info_of("alice").serial);
  // With another role, the former one is still good for what it was.
  REQUIRE(hq.issue("alice", "viewer") == exit_fine);
  CHECK_THAT(hq.err, Contains("as operator too"));
}

TEST_CASE("renewing keeps the role") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  for (const auto* role : {"operator", "viewer"}) {
    REQUIRE(hq.issue(role, role) == exit_fine);
    const auto before = hq.info_of(role);
    hq.options.role.clear();
    REQUIRE(hq.run(renew_pki_certificate, role) == exit_fine);
    CHECK(hq.info_of(role).role == before.role);
    CHECK(hq.info_of(role).serial != before.serial);
    CHECK(tls_context::client(hq.files(role)));
  }
}

TEST_CASE("renewing keeps the hosts of a node") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  hq.options.hosts = {"10.1.2.3", "fd00::7", "gw.example.org"};
  REQUIRE(hq.issue("gw", "node") == exit_fine);
  const auto before = hq.info_of("gw").hosts;
  CHECK(
    before
    == std::vector<std::string>{"gw", "10.1.2.3", "fd00::7", "gw.example.org"});
  hq.options.hosts.clear();
  hq.options.role.clear();
  REQUIRE(hq.run(renew_pki_certificate, "gw") == exit_fine);
  CHECK(hq.info_of("gw").hosts == before);
  CHECK(hq.info_of("gw").role == control_role::node);
}

TEST_CASE("what was never issued, or was revoked, is not renewed") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  REQUIRE(hq.issue("alice", "viewer") == exit_fine);
  CHECK(hq.run(renew_pki_certificate, "alcie") == exit_mistaken);
  CHECK_THAT(hq.err, Contains("'alcie'") && Contains("alice"));
  REQUIRE(hq.run(revoke_certificates, "alice") == exit_fine);
  CHECK(hq.run(renew_pki_certificate, "alice") == exit_mistaken);
  CHECK_THAT(hq.err, Contains("alice was revoked") && Contains("pki issue"));
}

TEST_CASE("a name that was revoked does not get back what it had before") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  const auto now = wall_now();
  const auto hours = [](int count) { return std::chrono::hours{count}; };
  const auto issue = [&](control_role role, wall_time end) {
    auto folder = pki_folder::open(hq.options.folder);
    REQUIRE(folder);
    REQUIRE(folder->issue({"alice", role, {}, {now - hours(3), end}}));
  };
  // Revoking marks only what has not expired, be it the older or the newer one.
  const bool is_older = GENERATE(true, false);
  if (is_older)
    issue(control_role::operate, now - hours(2));
  issue(control_role::view, now + hours(2));
  if (!is_older)
    issue(control_role::operate, now - hours(2));
  REQUIRE(hq.run(revoke_certificates, "alice") == exit_fine);
  CHECK(hq.run(renew_pki_certificate, "alice") == exit_mistaken);
  CHECK_THAT(hq.err, Contains("alice was revoked"));
  // What is issued afterwards counts again.
  REQUIRE(hq.issue("alice", "viewer") == exit_fine);
  REQUIRE(hq.run(renew_pki_certificate, "alice") == exit_fine);
  CHECK(hq.info_of("alice").role == control_role::view);
}

TEST_CASE("a node whose certificate is gone is not renewed without its hosts") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  REQUIRE(hq.issue("gw", "node") == exit_fine);
  std::filesystem::remove(hq.path("gw.pem"));
  CHECK(hq.run(renew_pki_certificate, "gw") == exit_mistaken);
  CHECK_THAT(hq.err, Contains("--host"));
}

TEST_CASE("issuing again does not change a role that nobody has named") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  REQUIRE(hq.issue("bob", "viewer") == exit_fine);
  CHECK(hq.issue("bob", "") == exit_mistaken);
  CHECK_THAT(hq.err, Contains("as viewer") && Contains("weft pki renew bob")
                       && Contains("--role"));
  CHECK(read_index(hq.options.folder)->size() == 1);
  CHECK(hq.issue("bob", "operator") == exit_fine);
  CHECK(hq.issue("bob", "") == exit_fine);
}

TEST_CASE("issuing again does not forget hosts in silence") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  hq.options.hosts = {"10.1.2.3"};
  REQUIRE(hq.issue("gw", "node") == exit_fine);
  hq.options.hosts.clear();
  CHECK(hq.issue("gw", "node") == exit_mistaken);
  CHECK_THAT(hq.err, Contains("10.1.2.3") && Contains("weft pki renew gw"));
  hq.options.hosts = {"gw.example.org"};
  CHECK(hq.issue("gw", "node") == exit_fine);
  CHECK(hq.info_of("gw").hosts
        == std::vector<std::string>{"gw", "gw.example.org"});
}

TEST_CASE("issue refuses names and hosts that are none, and makes nothing") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  const auto authority = hq.text_of("ca.pem");
  for (const auto* name : {"", "../x", ".x", "a/b", "ca", "CA", "crl", "a b"}) {
    INFO(name);
    CHECK(hq.issue(name, "operator") == exit_mistaken);
    CHECK_FALSE(hq.err.empty());
  }
  CHECK(hq.issue("alice", "root") == exit_mistaken);
  CHECK_THAT(hq.err, Contains("'root'"));
  CHECK(hq.issue("no_host", "node") == exit_mistaken);
  hq.options.hosts = {"a,DNS:b"};
  CHECK(hq.issue("gw", "node") == exit_mistaken);
  hq.options.hosts = {"gw"};
  CHECK(hq.issue("alice", "operator") == exit_mistaken);
  CHECK(read_index(hq.options.folder)->empty());
  CHECK(hq.text_of("ca.pem") == authority);
}

TEST_CASE("commands without an authority say how to make one") {
  office hq;
  CHECK(hq.issue("alice", "operator") == exit_mistaken);
  CHECK_THAT(hq.err, Contains("weft pki init --folder " + hq.options.folder));
  CHECK(hq.run(revoke_certificates, "alice") == exit_mistaken);
  CHECK_THAT(hq.err, Contains("weft pki init"));
  CHECK(hq.run(list_certificates) == exit_mistaken);
  CHECK_THAT(hq.err, Contains("weft pki init"));
  CHECK_FALSE(std::filesystem::exists(hq.options.folder));
}

TEST_CASE("revoke ends every certificate of a name, and only those") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  for (const auto* name : {"alice", "bob", "alice"})
    REQUIRE(hq.issue(name, "operator") == exit_fine);
  REQUIRE(hq.run(revoke_certificates, "alice") == exit_fine);
  CHECK_THAT(hq.out, Contains("2 certificates revoked"));
  const auto index = read_index(hq.options.folder);
  REQUIRE(index);
  CHECK((*index)[0].revoked);
  CHECK_FALSE((*index)[1].revoked);
  CHECK((*index)[2].revoked);
  // A certificate that is issued later is another one.
  REQUIRE(hq.issue("alice", "operator") == exit_fine);
  CHECK_FALSE(read_index(hq.options.folder)->back().revoked);
}

TEST_CASE("revoking twice is no error, and restores a list that was lost") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  const auto empty = hq.text_of("crl.pem");
  REQUIRE(hq.issue("alice", "operator") == exit_fine);
  REQUIRE(hq.run(revoke_certificates, "alice") == exit_fine);
  const auto list = hq.text_of("crl.pem");
  CHECK(list.size() > empty.size());
  const auto when = read_index(hq.options.folder)->front().revoked;
  std::filesystem::remove(hq.path("crl.pem"));
  REQUIRE(hq.run(revoke_certificates, "alice") == exit_fine);
  CHECK_THAT(hq.out, Contains("no certificate that holds"));
  CHECK(hq.text_of("crl.pem").size() == list.size());
  CHECK(read_index(hq.options.folder)->front().revoked == when);
}

TEST_CASE("revoking an unknown name lists those that are known") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  CHECK(hq.run(revoke_certificates, "alice") == exit_mistaken);
  CHECK_THAT(hq.err, Contains("nothing was issued"));
  for (const auto* name : {"bob", "alice", "bob"})
    REQUIRE(hq.issue(name, "viewer") == exit_fine);
  CHECK(hq.run(revoke_certificates, "alcie") == exit_mistaken);
  CHECK_THAT(hq.err, Contains("'alcie'") && Contains(": alice, bob\n"));
}

TEST_CASE("what has expired need not be revoked any more") {
  office hq;
  const auto now = wall_now();
  REQUIRE(hq.run(make_authority) == exit_fine);
  auto folder = pki_folder::open(hq.options.folder);
  REQUIRE(folder);
  const auto hours = [](int count) { return std::chrono::hours{count}; };
  REQUIRE(folder->issue(
    {"alice", control_role::operate, {}, {now - hours(3), now - hours(2)}}));
  const auto done = folder->revoke("alice", now);
  REQUIRE(done);
  CHECK(done->known);
  CHECK(done->revoked.empty());
  const auto in_time = folder->revoke("alice", now - hours(2) - hours(1));
  REQUIRE(in_time);
  REQUIRE(in_time->revoked.size() == 1);
  const auto with = hq.text_of("crl.pem").size();
  REQUIRE(folder->revoke("alice", now));
  CHECK(hq.text_of("crl.pem").size() < with);
}

TEST_CASE("list shows every certificate with its state") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  REQUIRE(hq.issue("bob", "viewer") == exit_fine);
  REQUIRE(hq.issue("alice", "operator") == exit_fine);
  REQUIRE(hq.run(revoke_certificates, "bob") == exit_fine);
  {
    auto folder = pki_folder::open(hq.options.folder);
    REQUIRE(folder);
    const auto now = wall_now();
    REQUIRE(folder->issue(
      {"old",
       control_role::view,
       {},
       {now - std::chrono::hours{2}, now - std::chrono::hours{1}}}));
  }
  REQUIRE(hq.run(list_certificates) == exit_fine);
  std::istringstream lines{hq.out};
  std::string line;
  std::vector<std::string> starts;
  while (std::getline(lines, line))
    starts.push_back(line.substr(0, line.find_first_of("0123456789")));
  CHECK(starts[0].starts_with("NAME   ROLE      STATE    END         SERIAL"));
  CHECK(starts[1] == "alice  operator  valid    ");
  CHECK(starts[2] == "bob    viewer    revoked  ");
  CHECK(starts[3] == "old    viewer    expired  ");

  hq.options.json = true;
  REQUIRE(hq.run(list_certificates) == exit_fine);
  const auto all = json::parse(hq.out);
  REQUIRE(all.size() == 3);
  CHECK(all[0]["name"] == "alice");
  CHECK(all[0]["serial"] == hq.info_of("alice").serial);
  CHECK(all[0]["revoked"].is_null());
  CHECK(all[1]["state"] == "revoked");
  CHECK(all[1]["revoked"].is_number());
}

TEST_CASE("the other commands speak JSON, too") {
  office hq;
  hq.options.json = true;
  REQUIRE(hq.run(make_authority, "hq") == exit_fine);
  CHECK(json::parse(hq.out)["fingerprint"] == hq.info_of("ca").fingerprint);
  REQUIRE(hq.issue("alice", "viewer") == exit_fine);
  const auto issued = json::parse(hq.out);
  CHECK(issued["role"] == "viewer");
  CHECK(issued["key"] == hq.path("alice.key"));
  REQUIRE(hq.run(revoke_certificates, "alice") == exit_fine);
  CHECK(json::parse(hq.out)[0]["serial"] == issued["serial"]);
  REQUIRE(hq.run(revoke_certificates, "alice") == exit_fine);
  CHECK(json::parse(hq.out).empty());
}

TEST_CASE("with --json, errors are objects, too") {
  office hq;
  hq.options.json = true;
  const auto error = [&] {
    CHECK(hq.out.empty());
    return json::parse(hq.err).at("error");
  };
  CHECK(hq.run(list_certificates) == exit_mistaken);
  CHECK(error()["code"] == "ENOENT");
  REQUIRE(hq.run(make_authority) == exit_fine);
  CHECK(hq.run(make_authority) == exit_mistaken);
  CHECK(error()["code"] == "EEXIST");
  CHECK(hq.run(renew_pki_certificate, "alice") == exit_mistaken);
  CHECK(error()["code"] == "EINVAL");
  CHECK_THAT(error()["message"].get<std::string>(), Contains("'alice'"));
  CHECK(hq.issue("alice", "root") == exit_mistaken);
  CHECK(error()["code"] == "EINVAL");
}

TEST_CASE("a damaged index is an error that names the line") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  const auto line
    = GENERATE("0a operator alice 10", "0a operator alice 10 - more",
               "0A operator alice 10 -", "0a root alice 10 -",
               "0a viewer a/b 10 -", "0a viewer alice ten -",
               "0a viewer alice 10 x", "0a viewer alice -1 -");
  std::ofstream(hq.path("index")) << "# comment\n\n" << line << '\n';
  CHECK(hq.run(list_certificates) == exit_failure);
  CHECK_THAT(hq.err, Contains("index:3"));
  CHECK(hq.issue("bob", "viewer") == exit_failure);
  CHECK_FALSE(std::filesystem::exists(hq.path("bob.pem")));
}

TEST_CASE("a key of the authority that others can read is not used") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  REQUIRE(::chmod(hq.path("ca.key").c_str(), 0640) == 0);
  CHECK(hq.issue("alice", "operator") == exit_failure);
  CHECK_THAT(hq.err, Contains("chmod 600 " + hq.path("ca.key")));
}

TEST_CASE("runs at the same time lose nothing of each other") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&hq, i] {
      for (int j = 0; j < 5; ++j) {
        auto options = hq.options;
        options.name = "name-" + std::to_string(i) + '-' + std::to_string(j);
        std::istringstream in;
        std::ostringstream ignored;
        issue_certificate(options, {in, ignored, ignored});
      }
    });
  for (auto& one : threads)
    one.join();
  const auto index = read_index(hq.options.folder);
  REQUIRE(index);
  CHECK(index->size() == 20);
}

TEST_CASE("the folder of certificates is that of the environment") {
  // NOLINTBEGIN(concurrency-mt-unsafe): no other thread runs
  const char* set = ::getenv("WEFT_PKI");
  const std::string before = set == nullptr ? "" : set;
  ::setenv("WEFT_PKI", "/some/where", 1);
  CHECK(default_pki_folder() == "/some/where");
  ::setenv("WEFT_PKI", "", 1);
  CHECK_THAT(default_pki_folder(), Contains("/weft/pki"));
  if (set == nullptr)
    ::unsetenv("WEFT_PKI");
  else
    ::setenv("WEFT_PKI", before.c_str(), 1);
  // NOLINTEND(concurrency-mt-unsafe)
}

TEST_CASE("an authority that was cut off while it was made is made by the next "
          "init, wherever that was") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  const std::vector<std::string> order{"crl.pem", "index", "ca.key", "ca.pem"};
  const auto written = GENERATE(0U, 1U, 2U, 3U, 4U);
  for (auto i = written; i < order.size(); ++i)
    std::filesystem::remove(hq.path(order[i]));
  REQUIRE(replace_file(hq.path("unfinished"), "", 0600));
  REQUIRE(replace_file(hq.path(".ca.key.123.new"), "half a key", 0600));
  const auto serial = written == 4 ? hq.text_of("ca.pem") : std::string{};
  if (written < 4) {
    CHECK(hq.issue("alice", "operator") == exit_failure);
    CHECK_THAT(hq.err, Contains("not made to the end") && Contains("init"));
  }
  REQUIRE(hq.run(make_authority) == exit_fine);
  if (written == 4)
    CHECK(hq.text_of("ca.pem") == serial);
  CHECK_FALSE(std::filesystem::exists(hq.path("unfinished")));
  CHECK_FALSE(std::filesystem::exists(hq.path(".ca.key.123.new")));
  CHECK(hq.issue("alice", "operator") == exit_fine);
  CHECK(tls_context::client(hq.files("alice")));
  // And what is complete is not made anew.
  CHECK(hq.run(make_authority) == exit_mistaken);
  CHECK_THAT(hq.err, Contains("is there already"));
}

TEST_CASE("a folder of an authority in which others may write is not used") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  for (const mode_t mode : {0777U, 0770U, 0702U}) {
    REQUIRE(::chmod(hq.options.folder.c_str(), mode) == 0);
    CHECK(hq.issue("alice", "operator") == exit_failure);
    CHECK_THAT(hq.err, Contains("chmod 700 " + hq.options.folder));
    CHECK(hq.run(revoke_certificates, "alice") == exit_failure);
  }
  REQUIRE(::chmod(hq.options.folder.c_str(), 0700) == 0);
  CHECK(hq.issue("alice", "operator") == exit_fine);
  if (::geteuid() != 0)
    return;
  REQUIRE(::chown(hq.options.folder.c_str(), 12345, 12345) == 0);
  CHECK(hq.issue("bob", "operator") == exit_failure);
  CHECK_THAT(hq.err, Contains("belongs to another user"));
}

TEST_CASE("a list of revocations has a higher number than the one before") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  REQUIRE(hq.issue("gw", "node") == exit_fine);
  auto server = tls_context::server(hq.files("gw"));
  REQUIRE(server);
  auto folder = pki_folder::open(hq.options.folder);
  REQUIRE(folder);
  // A clock that was put back.
  REQUIRE(folder->revoke("gw", wall_now() - std::chrono::minutes{10}));
  CHECK(server->reload_if_changed() == true);
}

TEST_CASE(
  "check looks at the files for remote control, and says where they are "
  "named") {
  office hq;
  REQUIRE(hq.run(make_authority) == exit_fine);
  REQUIRE(hq.issue("gw", "node") == exit_fine);
  REQUIRE(hq.issue("alice", "operator") == exit_fine);
  const auto keys = generate_key_text();
  REQUIRE(replace_file(hq.path("gw.yaml"),
                       "interface: {private_key: " + keys
                         + "}\ncontrol:\n  listen: 127.0.0.1:7447\n"
                           "  certificate: gw.pem\n  key: gw.key\n"
                           "  ca: ca.pem\n  revocations: crl.pem\n",
                       0600));
  const auto check = [&] {
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    const auto code = check_config(hq.path("gw.yaml"), {}, {in, out, err});
    hq.err = err.str();
    return code;
  };
  CHECK(check() == exit_fine);
  CHECK(hq.err == "");
  struct broken {
    const char* file;
    const char* other;
    std::string says;
  };
  for (const auto& [file, other, says] : std::vector<broken>{
         {"gw.pem", "alice.pem", ":4:16: control.certificate: "},
         {"gw.key", "alice.key", ":5:8: control.key: "},
         {"ca.pem", "gw.pem", ":6:7: control.ca: "},
         {"crl.pem", "ca.pem", ":7:16: control.revocations: "}}) {
    INFO(file);
    const auto good = hq.text_of(file);
    REQUIRE(replace_file(hq.path(file), hq.text_of(other), 0600));
    CHECK(check() == exit_mistaken);
    CHECK_THAT(hq.err, Contains(file));
    if (file != std::string{"gw.pem"}) // the key does not belong to it
      CHECK_THAT(hq.err, Contains(says));
    REQUIRE(replace_file(hq.path(file), good, 0600));
  }
  hq.options.days = 7;
  REQUIRE(hq.issue("gw", "node") == exit_fine);
  CHECK(check() == exit_fine);
  CHECK_THAT(hq.err, Contains("warning: ") && Contains(":4:16: ")
                       && Contains("ends in 6 days"));
}
