#include "platform/source_marks.hpp"

#include "support.hpp"

using namespace weft;
using namespace weft::test;

namespace {

void set(const std::string& link, const std::string& key, int value) {
  write_file("/proc/sys/net/ipv4/conf/" + link + '/' + key,
             std::to_string(value));
}

using links = std::vector<std::string>;

} // namespace

TEST_CASE("Links are strict as the kernel takes it, each for itself") {
  if (!can_make_networks())
    return;
  const network_namespace network;
  run("ip link add one type veth peer name two");
  set("all", "rp_filter", 0);
  set("one", "rp_filter", 1);
  set("two", "rp_filter", 2);
  CHECK(find_strict_links("other") == links{"one"});
  CHECK(find_strict_links("one").empty());
  set("one", "rp_filter", 0);
  set("all", "rp_filter", 1);
  CHECK(find_strict_links("other") == links{"one"});
  set("all", "rp_filter", 2);
  CHECK(find_strict_links("other").empty());
  set("all", "rp_filter", 1);
  set("all", "src_valid_mark", 1);
  CHECK(find_strict_links("other").empty());
}

TEST_CASE("Connections that come in are made to keep marks, and not to") {
  if (!can_make_networks())
    return;
  const network_namespace network;
  CHECK_FALSE(has_accepted_marks());
  REQUIRE(set_accepted_marks(true));
  CHECK(has_accepted_marks());
  REQUIRE(set_accepted_marks(false));
  CHECK_FALSE(has_accepted_marks());
}

TEST_CASE("A link is made to look at marks, and made not to") {
  if (!can_make_networks())
    return;
  const network_namespace network;
  run("ip link add one type veth peer name two");
  CHECK_FALSE(has_source_mark("one"));
  REQUIRE(set_source_mark("one", true));
  CHECK(has_source_mark("one"));
  CHECK_FALSE(has_source_mark("all"));
  REQUIRE(set_source_mark("one", false));
  CHECK_FALSE(has_source_mark("one"));
  CHECK(set_source_mark("gone", true));
}
