// The folder of an issuer: made at once, whole, for its owner alone.
#include "platform/files.hpp"
#include "tests/issuer/support.hpp"
#include "tests/on_disk.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

using namespace weft;
using namespace weft::test;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

result<authority> make(const std::string& folder) {
  return make_authority(folder, some_root(), some_issuer(), noon,
                        real_random());
}

} // namespace

TEST_CASE("an authority is made with its keys for its owner alone, and read "
          "again") {
  const temporary_folder around;
  const auto folder = around.path() + "/prod";
  const auto made = must(make(folder));
  CHECK(mode_of(folder) == 0700U);
  CHECK(mode_of(root_key_file(folder)) == 0600U);
  CHECK(mode_of(issuer_key_file(folder)) == 0600U);
  CHECK(made.root.contents == certificate_contents{some_root()});
  CHECK(made.root.until == noon + root_lifetime);
  CHECK(made.issuer.certificate.until == noon + issuer_lifetime);
  CHECK(verify_issuer(made.root, made.issuer.certificate.der, noon));
  // The root's key may be elsewhere.
  std::filesystem::remove(root_key_file(folder));
  const auto read = must(read_authority(folder));
  CHECK(read.root.der == made.root.der);
  CHECK(read.issuer.certificate.der == made.issuer.certificate.der);
  CHECK(read.issuer.seed == made.issuer.seed);
  CHECK_FALSE(renew_issuer(folder, noon, real_random()));
}

TEST_CASE("an authority replaces nothing, and what a crash has left of one is "
          "in nobody's way") {
  const temporary_folder around;
  const auto folder = around.path() + "/prod";
  std::filesystem::create_directory(folder + ".partial");
  write_file(folder + ".partial/root.key", "half a key");
  std::filesystem::create_directory(folder); // as a package may make it
  const auto first = must(make(folder));
  const auto second = make(folder);
  REQUIRE_FALSE(second);
  CHECK_THAT(second.error().message, Contains("left alone"));
  CHECK(must(read_authority(folder)).root.der == first.root.der);
  CHECK_FALSE(std::filesystem::exists(folder + ".partial"));
}

TEST_CASE("an authority belongs to whom the folder around it belongs to") {
  if (::geteuid() != 0) {
    WARN("skipped: it gives files away, which needs root");
    return;
  }
  const temporary_folder around;
  constexpr uid_t somebody = 12345;
  REQUIRE(::chown(around.path().c_str(), somebody, somebody) == 0);
  const auto folder = around.path() + "/prod";
  must(make(folder));
  for (const auto& path : {folder, issuer_key_file(folder)}) {
    CHECK(info_of(path).st_uid == somebody);
  }
}

TEST_CASE("an issuer's ranges lie within the root's, and no name is odd") {
  const temporary_folder around;
  auto issuer = some_issuer();
  issuer.ranges = prefixes_of({"10.0.0.0/8"});
  CHECK_FALSE(make_authority(around.path() + "/prod", some_root(), issuer, noon,
                             real_random()));
  auto root = some_root();
  root.name = "a b";
  CHECK_FALSE(make_authority(around.path() + "/prod", root, some_issuer(), noon,
                             real_random()));
  CHECK_FALSE(std::filesystem::exists(around.path() + "/prod"));
  CHECK_FALSE(std::filesystem::exists(around.path() + "/prod.partial"));
}

TEST_CASE("an issuer's certificate is renewed with the root's key, for the "
          "same key and name") {
  const temporary_folder around;
  const auto folder = around.path() + "/prod";
  const auto made = must(make(folder));
  const auto later = noon + 24h * 700;
  const auto renewed = must(renew_issuer(folder, later, real_random()));
  CHECK(renewed.until == later + issuer_lifetime);
  const auto read = must(read_authority(folder));
  CHECK(read.issuer.certificate.der == renewed.der);
  CHECK(read.issuer.certificate.contents == made.issuer.certificate.contents);
}

TEST_CASE("what an issuer has put in the place of its certificate is not "
          "renewed") {
  const temporary_folder around;
  const auto folder = around.path() + "/prod";
  const auto made = must(make(folder));
  // Within the root's ranges, but not of the root.
  auto wider = some_issuer();
  wider.ranges = some_root().ranges;
  wider.name = "another";
  const auto own_seed = draw_signing_seed(real_random());
  const auto own_root = must(make_root_certificate(
    some_root(), own_seed, {noon - 1h, noon + root_lifetime}));
  const auto forged
    = must(make_network_certificate(wider, made.issuer.certificate.key,
                                    {noon - 1h, noon + issuer_lifetime},
                                    {own_root, own_seed}, real_random()));
  write_file(issuer_certificate_file(folder),
             to_pem(std::span(&forged.der, 1)));
  const auto renewed = renew_issuer(folder, noon + 24h, real_random());
  REQUIRE_FALSE(renewed);
  CHECK_THAT(renewed.error().message, Contains("issuer.pem"));
}

TEST_CASE("keys that others can read, and keys of another certificate, are "
          "refused with the remedy") {
  const temporary_folder around;
  const auto folder = around.path() + "/prod";
  must(make(folder));
  REQUIRE(::chmod(issuer_key_file(folder).c_str(), 0644) == 0);
  const auto exposed = read_authority(folder);
  REQUIRE_FALSE(exposed);
  CHECK_THAT(exposed.error().message, Contains("issuer.key"));
  REQUIRE(::chmod(issuer_key_file(folder).c_str(), 0600) == 0);
  std::filesystem::copy_file(root_key_file(folder), issuer_key_file(folder),
                             std::filesystem::copy_options::overwrite_existing);
  const auto mixed = read_authority(folder);
  REQUIRE_FALSE(mixed);
  CHECK_THAT(mixed.error().message, Contains("is not the key of"));
}
