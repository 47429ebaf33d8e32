// The store in etcd behind TLS, passwords and a network that comes and goes.
#include "tests/platform/test_pki.hpp"
#include "tests/stores/etcd_cluster.hpp"

#include <net/if.h>

using namespace weft;
using namespace weft::test;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

constexpr auto password = "the directory's password";

store_error refusal(etcd_settings settings) {
  settings.patience = 3s;
  const auto opened
    = open_etcd_store(std::move(settings), real_clock(), real_random());
  REQUIRE_FALSE(opened);
  return opened.error();
}

etcd_settings
with_password(const etcd_cluster& cluster, std::string_view given) {
  auto settings = cluster.settings();
  settings.user = "weft";
  settings.password = secret_text{given};
  return settings;
}

/// Root may do all, `weft` may read and write the prefix; then passwords are
/// asked for.
void ask_for_passwords(const etcd_cluster& cluster) {
  std::ignore = cluster.open(); // it answers by now
  const auto tell = [&](const char* path, const std::string& body) {
    const auto answer = cluster.post(0, std::string{"/v3/auth/"} + path, body);
    INFO(answer);
    REQUIRE_THAT(answer, Contains("header") && !Contains("error"));
  };
  tell("role/add", R"({"name":"root"})");
  tell("user/add", R"({"name":"root","password":"root's"})");
  tell("user/grant", R"({"user":"root","role":"root"})");
  tell("role/add", R"({"name":"directory"})");
  // From `weft/` to `weft0`.
  tell("role/grant", R"({"name":"directory","perm":{"permType":"READWRITE",)"
                     R"("key":"d2VmdC8=","range_end":"d2VmdDA="}})");
  tell("user/add",
       R"({"name":"weft","password":")" + std::string{password} + "\"}");
  tell("user/grant", R"({"user":"weft","role":"directory"})");
  tell("enable", "{}");
}

} // namespace

TEST_CASE(
  "etcd: only nodes with a certificate of the store's own authority are "
  "believed") {
  if (!have_etcd())
    return;
  test_pki pki;
  const auto files = pki.issue("etcd", control_role::node);
  const test_pki stranger{"another authority"};
  etcd_options options;
  options.certificate = files.certificate;
  options.key = files.key;
  options.authority = files.authority;
  etcd_cluster cluster{options};
  const auto store = cluster.open();
  const auto watch = must(store->watch("", 1));
  make(*store, put("a", "1", 0));
  CHECK(events_of(*watch, 1).size() == 1);

  auto settings = cluster.settings();
  settings.authority = stranger.files("none").authority;
  const auto refused = refusal(std::move(settings));
  CHECK(refused.failure == store_failure::unavailable);
  CHECK_THAT(refused.message, Contains("certificate")
                                && Contains(cluster.endpoint(0).substr(0, 18)));
}

TEST_CASE("etcd: endpoints without TLS are for this host alone") {
  const auto failure_of = [](const std::string& endpoint) {
    etcd_settings settings;
    settings.endpoints = {endpoint};
    settings.prefix = "weft/test/";
    settings.writer = "alpha";
    settings.patience = 1ms;
    const auto opened
      = open_etcd_store(std::move(settings), real_clock(), real_random());
    REQUIRE_FALSE(opened);
    return opened.error().failure;
  };
  const auto wrong = store_failure::out_of_bounds;
  for (const auto* endpoint :
       {"http://10.0.0.1:2379", "http://127.0.0.1", "127.0.0.1:2379",
        "ftp://127.0.0.1:1", "http://a@127.0.0.1:1", "http://127.0.0.1:1/x",
        "http://127.0.0.1:123456", "https://10.0.0.1:2379" /* no authority */,
        "http://localhost.example:1", "http://127.example:1",
        "http://127.0.0.1.example:1", "http://127.0.0.1\n:1", "",
        "http://127.0.0.1:1/", "http://127.0.0.1:1?", "http://127.0.0.1:1#",
        "http://[fe80::1%25eth0]:1", "http://:1", "http://127.0.0.1:1\\@a:1"})
    CHECK(failure_of(endpoint) == wrong);
  CHECK(failure_of("http://127.0.0.1:1") == store_failure::unavailable);
  CHECK(failure_of("http://[::1]:1") == store_failure::unavailable);
}

TEST_CASE("etcd: a password in an endpoint is refused, and not printed") {
  for (const auto* endpoint :
       {"https://root:sesame@127.0.0.1:1", "http://root:sesame@127.0.0.1:1",
        "htp://root:sesame@127.0.0.1:1", "root:sesame@127.0.0.1:1",
        "https://root:sesame@", "https://sesame@127.0.0.1:1",
        "https://root:ses@sesame@127.0.0.1:x"}) {
    etcd_settings settings;
    settings.endpoints = {endpoint};
    settings.prefix = "weft/test/";
    settings.writer = "alpha";
    INFO(endpoint);
    const auto refused = refusal(std::move(settings));
    CHECK(refused.failure == store_failure::out_of_bounds);
    CHECK_THAT(refused.message, !Contains("sesame") && !Contains("root"));
  }
}

TEST_CASE("etcd: the user's password is needed, and tokens that nodes have "
          "forgotten are renewed") {
  if (!have_etcd())
    return;
  etcd_cluster cluster;
  ask_for_passwords(cluster);
  const auto without = refusal(cluster.settings());
  CHECK(without.failure == store_failure::refused);
  const auto wrong = refusal(with_password(cluster, "another"));
  CHECK(wrong.failure == store_failure::refused);
  CHECK_THAT(wrong.message, !Contains("another") && Contains("password"));
  auto elsewhere = with_password(cluster, password);
  elsewhere.prefix = "others/";
  const auto outside = refusal(std::move(elsewhere));
  CHECK(outside.failure == store_failure::refused);

  const auto store = etcd_cluster::open(with_password(cluster, password));
  const auto watch = must(store->watch("", 1));
  auto at = make(*store, put("a", "1", 0));
  must(store->keep_present("here"));
  CHECK(events_of(*watch, 1).size() == 1);
  for (std::size_t node = 0; node < etcd_cluster::size; ++node)
    cluster.kill(node);
  for (std::size_t node = 0; node < etcd_cluster::size; ++node)
    cluster.start(node);
  at = make(*store, put("a", "2", at));
  CHECK(events_of(*watch, 1).size() == 1);
  CHECK(must(store->present()).size() == 1);
}

TEST_CASE("etcd: a directory that is cut off from all nodes goes on when it is "
          "not any more, and no change is made twice") {
  if (!have_etcd() || !can_make_networks())
    return;
  const network_namespace here;
  const network_namespace there;
  here.visit([&] {
    run("ip link add store type veth peer name nodes");
    move_link(static_cast<int>(::if_nametoindex("nodes")), there.descriptor());
    run("ip link set store up");
    add_address("10.77.0.1/24", "store");
  });
  run("ip link set nodes up");
  add_address("10.77.0.2/24", "nodes");

  const test_pki pki;
  const auto issued = pki.authority().issue(
    {"etcd", control_role::node, {"10.77.0.2"}, test_pki::now_and_then()});
  REQUIRE(issued);
  pki.put("etcd.pem", issued->certificate);
  pki.put("etcd.key", issued->key.view(), 0600);
  etcd_options options;
  options.host = "10.77.0.2";
  options.certificate = pki.path("etcd.pem");
  options.key = pki.path("etcd.key");
  options.authority = pki.path("ca.pem");
  etcd_cluster cluster{options};

  here.visit([&] {
    auto settings = cluster.settings();
    std::unique_ptr<directory_store> store = cluster.open(std::move(settings));
    settings = cluster.settings();
    settings.patience = 2s;
    store = etcd_cluster::open(std::move(settings));
    const auto watch = must(store->watch("count", 1));
    store_revision at = 0;
    for (int i = 1; i <= 3; ++i) {
      at = make(*store, put("count", std::to_string(2 * i - 1), at));
      REQUIRE(events_of(*watch, 1).size() == 1);
      run("ip link set store down");
      const auto change = put("count", std::to_string(2 * i), at);
      const auto cut = store->change(change);
      REQUIRE_FALSE(cut);
      CHECK((cut.error().failure == store_failure::unavailable
             || cut.error().failure == store_failure::unknown_outcome));
      run("ip link set store up");
      // The same request, until it has an answer.
      const auto deadline = boot_now() + 60s;
      auto again = store->change(change);
      while (!again && boot_now() < deadline)
        again = store->change(change);
      at = must(std::move(again)).at;
      const auto events = events_of(*watch, 1);
      REQUIRE(events.size() == 1);
      CHECK(events[0].at == at);
    }
    CHECK(must(store->get("count"))->value == "6");
  });
}
