// What is asked of etcd and what it answers, as texts.
#include "platform/store/etcd_json.hpp"

#include "platform/store/back_off.hpp"
#include "tests/catch.hpp"

#include <nlohmann/json.hpp>

using namespace weft;
using namespace weft::etcd;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

nlohmann::json json_of(const std::string& text) {
  return nlohmann::json::parse(text);
}

constexpr auto header_text
  = R"("header":{"cluster_id":"7","member_id":"9","revision":"40"})";

std::string with_header(const std::string& rest) {
  return std::string{"{"} + header_text + rest + "}";
}

std::string nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

} // namespace

TEST_CASE(
  "a transaction asks for what stands in the change, as etcd wants it") {
  const auto made = json_of(to_json(transaction_request{
    {{"a", 0}, {"b", 12}}, {{"a", "1"}, {"b", std::nullopt}}, "w"}));
  CHECK(made == json_of(R"({
    "compare": [
      {"key": "YQ==", "target": "MOD", "result": "EQUAL", "mod_revision": "0"},
      {"key": "Yg==", "target": "MOD", "result": "EQUAL", "mod_revision": "12"}],
    "success": [
      {"request_put": {"key": "YQ==", "value": "MQ=="}},
      {"request_delete_range": {"key": "Yg=="}}],
    "failure": [{"request_range": {"key": "dw=="}}]})"));
}

TEST_CASE("ranges, watches and leases are asked for with numbers as text") {
  CHECK(json_of(to_json(range_request{"a", "b", 5, 10}))
        == json_of(R"({"key":"YQ==","range_end":"Yg==","revision":"5",)"
                   R"("limit":"10"})"));
  CHECK(json_of(to_json(range_request{"a"}))
        == json_of(R"({"key":"YQ==","limit":"1"})"));
  CHECK(json_of(to_json(watch_request{"a", "b", 5}))
        == json_of(R"({"create_request":{"key":"YQ==","range_end":"Yg==",)"
                   R"("start_revision":"5"}})"));
  CHECK(json_of(to_json(put_operation{"a", "", 3}))
        == json_of(R"({"key":"YQ==","value":"","lease":"3"})"));
  CHECK(json_of(grant_request(3, 15s)) == json_of(R"({"ID":"3","TTL":"15"})"));
  CHECK(json_of(keep_alive_request(3)) == json_of(R"({"ID":"3"})"));
  CHECK(json_of(compaction_request(3)) == json_of(R"({"revision":"3"})"));
  CHECK(json_of(authenticate_request("a\"b", "p\"w"))
        == json_of(R"({"name":"a\"b","password":"p\"w"})"));
}

TEST_CASE("answers are read with what is left out as zero") {
  const auto range = parse_range(with_header(
    R"(,"kvs":[{"key":"YQ==","mod_revision":"12","value":"MQ=="},)"
    R"({"key":"Yg==","mod_revision":"13"}],"more":true,"count":"9")"));
  REQUIRE(range);
  CHECK(range->head.cluster == 7);
  CHECK(range->head.revision == 40);
  CHECK(range->more);
  CHECK(range->entries
        == std::vector<store_entry>{{"a", "1", 12}, {"b", "", 13}});
  CHECK(parse_range(with_header(""))->entries.empty());

  const auto made = parse_transaction(
    with_header(R"(,"succeeded":true,"responses":[{"response_put":{}}])"));
  REQUIRE(made);
  CHECK(made->succeeded);
  const auto not_made = parse_transaction(
    with_header(R"(,"responses":[{"response_range":{"kvs":)"
                R"([{"key":"dw==","mod_revision":"8","value":"MQ=="}]}}])"));
  REQUIRE(not_made);
  CHECK_FALSE(not_made->succeeded);
  CHECK(not_made->read == std::vector<store_entry>{{"w", "1", 8}});

  CHECK(parse_token(with_header(R"(,"token":"t.1")")) == "t.1");
  CHECK(parse_kept(R"({"result":{"ID":"3","TTL":"15"}})") == 15);
  CHECK(parse_kept(R"({"result":{"ID":"3"}})") == 0);
  CHECK(parse_done(with_header(""))->revision == 40);
}

TEST_CASE("a watch's lines tell what happened, and why it ended") {
  const auto line = parse_watch(
    R"({"result":{"events":[{"kv":{"key":"YQ==","mod_revision":"5",)"
    R"("value":"MQ=="}},{"type":"DELETE","kv":{"key":"Yg==",)"
    R"("mod_revision":"6"}}]}})");
  REQUIRE(line);
  CHECK(line->events
        == std::vector<store_event>{{5, "a", "1"}, {6, "b", std::nullopt}});
  CHECK(parse_watch(R"({"result":{"created":true}})")->created);
  const auto compacted
    = parse_watch(R"({"result":{"canceled":true,"compact_revision":"4"}})");
  REQUIRE(compacted);
  CHECK(compacted->cancelled);
  CHECK(compacted->compacted == 4);
  const auto cut = parse_watch(
    R"({"error":{"grpc_code":14,"http_code":503,"message":"no leader"}})");
  REQUIRE_FALSE(cut);
  CHECK(cut.error().code == status::unavailable);
  CHECK(cut.error().message == "no leader");
}

TEST_CASE("errors are told from answers under any HTTP status") {
  const auto refused = parse_range(
    R"({"error":"e","message":"etcdserver: permission denied","code":7})");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == status::permission_denied);
  CHECK(parse_refusal("Not Found\n").code == status::malformed);
  CHECK(parse_refusal("{}").code == status::malformed);
  CHECK(parse_refusal(R"({"error":"e","code":99})").code == status::unknown);
  const auto loud
    = parse_refusal(R"({"error":"\u001b[31m)" + std::string(5000, 'x') + "\"}");
  CHECK(loud.message.size() <= 200);
  CHECK_THAT(loud.message, !Contains("\x1b"));
}

TEST_CASE("what is no answer of etcd's is refused, whatever it is") {
  const auto entry = [](const std::string& inside) {
    return with_header(R"(,"kvs":[{)" + inside + "}]");
  };
  for (const auto& text :
       {std::string{}, std::string{"[]"}, std::string{"null"},
        std::string{R"({"header":7})"}, std::string{R"({"header":{}} x)"},
        nested(100'000),
        std::string{R"({"header":{},"kvs":)"} + nested(50) + "}",
        with_header(R"(,"kvs":{})"), with_header(R"(,"kvs":[7])"),
        with_header(R"(,"more":"yes")"),
        entry(R"("key":"YQ==","value":"MQ==")"), // no revision
        entry(R"("mod_revision":"1")"),          // no key
        entry(R"("key":"Y","mod_revision":"1")"),
        entry(R"("key":"YQ==","mod_revision":"-1")"),
        entry(R"("key":"YQ==","mod_revision":"1e3")"),
        entry(R"("key":"YQ==","mod_revision":"99999999999999999999")"),
        entry(R"("key":"YQ==","mod_revision":1.5)"),
        entry(R"("key":")" + std::string(800, 'A') + R"(","mod_revision":"1")"),
        entry(R"("key":"YQ==","mod_revision":"1","value":")"
              + std::string(800'000, 'A') + "\"")}) {
    const auto read = parse_range(text);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == status::malformed);
  }
  CHECK_FALSE(parse_range(std::string(largest_answer + 1, ' ')));
  CHECK_FALSE(parse_token(with_header("")));
  CHECK_FALSE(parse_token(with_header(R"(,"token":"a\r\nb: c")")));
  CHECK_FALSE(parse_watch(R"({"result":{"events":[{"type":"MOVE","kv":)"
                          R"({"key":"YQ==","mod_revision":"1"}}]}})"));
}

TEST_CASE("pauses grow up to a limit, each by chance, and begin anew") {
  class given final : public random_source {
  public:
    explicit given(unsigned char byte) : byte_(byte) {
    }
    void fill(byte_span out) override {
      for (auto& byte : out)
        byte = std::byte{byte_};
    }

  private:
    unsigned char byte_;
  };
  given zero{0};
  back_off least{zero};
  std::vector<std::chrono::milliseconds> pauses;
  for (int i = 0; i < 8; ++i)
    pauses.push_back(least.next());
  CHECK(pauses
        == std::vector<std::chrono::milliseconds>{
          50ms, 100ms, 200ms, 400ms, 800ms, 1600ms, 1600ms, 1600ms});
  least.reset();
  CHECK(least.next() == 50ms);
  given some{0x5b};
  back_off other{some};
  const auto pause = other.next();
  CHECK(pause > 50ms);
  CHECK(pause <= 100ms);
}
