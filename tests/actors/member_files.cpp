#include "actors/network/member_files.hpp"

#include "platform/files.hpp"
#include "tests/actors/told_network.hpp"
#include "tests/on_disk.hpp"

#include <sys/stat.h>

#include <array>

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

constexpr auto now = network_pki::now;

struct member_folder {
  member_folder() {
    std::string text
      = to_pem(std::vector<byte_vector>{net.pki.root.certificate.der});
    write_file(folder.path() + "/root.pem", text);
    write_file(folder.path() + "/member.pem", to_pem(net.self.chain));
    const auto key = must(to_pem(net.self.seed));
    REQUIRE(replace_file(folder.path() + "/member.key", key.view(), 0600));
    config.root = folder.path() + "/root.pem";
    config.certificate = folder.path() + "/member.pem";
    config.key = folder.path() + "/member.key";
  }

  told_network net;
  temporary_folder folder;
  network_config config;
};

} // namespace

TEST_CASE("a member's files say who it is, or what is wrong with them") {
  member_folder here;
  const auto identity = load_identity(here.config);
  REQUIRE(identity);
  CHECK(identity->contents().name == "self");
  here.config.name = "test";
  CHECK_THAT(load_identity(here.config).error().message,
             Contains("root.pem") && Contains("not of 'test'"));
  here.config.name = "prod";
  REQUIRE(load_identity(here.config));

  write_file(here.config.certificate, to_pem(here.net.other.chain));
  CHECK_THAT(load_identity(here.config).error().message,
             Contains("member.pem") && Contains("key"));
  const auto directory = here.net.pki.directory("alpha");
  write_file(here.config.certificate, to_pem(directory.chain));
  CHECK_THAT(load_identity(here.config).error().message,
             Contains("member.pem") && Contains("directory"));
  write_file(here.config.certificate, to_pem(network_pki{}.member("x").chain));
  CHECK_FALSE(load_identity(here.config));
  write_file(here.config.certificate, "nothing");
  CHECK_THAT(load_identity(here.config).error().message,
             Contains("member.pem"));
  ::chmod(here.config.key.c_str(), 0644);
  write_file(here.config.certificate, to_pem(here.net.self.chain));
  CHECK_THAT(load_identity(here.config).error().message,
             Contains("member.key"));
}

TEST_CASE("what a member keeps comes back, and spoilt files are told of") {
  const temporary_folder outer;
  const auto folder = outer.path() + "/network";
  told_network net;
  const auto item = net.issuer_item();
  const std::array<const network_item*, 1> items{&item};
  view_marks marks;
  marks.lists["main"] = 7;
  preshared_epochs epochs;
  epochs.add(secret_of(2), now);
  {
    const auto files = must(member_files::open(folder));
    const auto empty = must(files->read(net.pki.network));
    CHECK(empty.items.empty());
    CHECK(empty.notes.empty());
    REQUIRE(files->write_marks(encode_marks(net.pki.network, marks)));
    REQUIRE(files->write_items(encode_items(net.pki.network, items)));
    REQUIRE(files->write_secrets(epochs));
  }
  for (const auto* name : {"/marks", "/items", "/secrets"}) {
    CHECK(mode_of(folder + name) == 0600);
  }
  const auto read = [&](const network_id& network) {
    return must(member_files::open(folder))->read(network);
  };
  auto kept = must(read(net.pki.network));
  CHECK(kept.notes.empty());
  CHECK(kept.marks.lists == marks.lists);
  CHECK(kept.items == std::vector{item});
  CHECK(kept.epochs.newest() == 2);
  CHECK_THAT(read(network_id{}).error().message,
             Contains(folder) && Contains("another network"));

  REQUIRE(keep_joining_secret(folder, secret_of(3), now));
  CHECK(must(read(net.pki.network)).epochs.to_try()
        == std::vector<std::uint64_t>{3, 2});

  write_file(folder + "/secrets", "spoilt");
  write_file(folder + "/marks", "spoilt");
  kept = must(read(net.pki.network));
  CHECK(kept.notes.size() == 2);
  CHECK(kept.items.size() == 1); // they have the numbers of lists
  write_file(folder + "/items", "spoilt");
  CHECK_THAT(read(net.pki.network).error().message,
             Contains("Remove " + folder + "/marks"));
}
