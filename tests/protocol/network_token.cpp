#include "protocol/network/invitation.hpp"
#include "protocol/network/token.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/network_support.hpp"

using namespace weft;
using namespace weft::test;

namespace {

join_token some_token() {
  deterministic_random random(7);
  join_token token;
  token.directories = {
    {"alpha.example.net", 51820}, {"192.0.2.1", 443}, {"2001:db8::1", 51821}};
  random.fill(token.root);
  token.seed = draw_signing_seed(random);
  return token;
}

bool is_refused(std::string_view text) {
  const auto read = parse_token(text);
  // An error never repeats what may be a secret.
  return !read
         && (text.size() < 12
             || read.error().what.find(text.substr(6)) == std::string::npos);
}

invitation some_invitation() {
  invitation made;
  made.network = some_root().network;
  made.token = derive_verifying_key(some_token().seed);
  made.uses = 3;
  made.until = noon + std::chrono::hours(1);
  made.groups = {"db", "web"};
  return made;
}

} // namespace

TEST_CASE("A token is one line that says where, whom to trust and a secret") {
  const auto token = some_token();
  const auto text = to_secret_text(token);
  CHECK(text.starts_with("weft1-"));
  CHECK(text.find_first_of(" \n+/=") == std::string::npos);
  for (const auto& each : {text, "  " + text + "\r\n"}) {
    const auto read = parse_token(each).value();
    CHECK(read.directories == token.directories);
    CHECK(read.root == token.root);
    CHECK(read.seed == token.seed);
  }
}

TEST_CASE("A mistyped token is told from a refused one") {
  const auto text = to_secret_text(some_token());
  for (std::size_t i = 0; i < text.size(); ++i) {
    CAPTURE(i);
    auto changed = text;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    CHECK(is_refused(changed));
    CHECK(is_refused(text.substr(0, i)));
    CHECK(is_refused(text.substr(0, i) + text.substr(i + 1)));
  }
  for (const auto& each :
       {std::string{}, std::string{"weft1-"}, std::string{"weft2-AAAA"},
        text + "A", text + "=", text + text, text + "\xc3\xa4",
        "weft1-" + std::string(10'000, 'A')})
    CHECK(is_refused(each));
}

TEST_CASE("Tokens have one to eight addresses of directories") {
  auto token = some_token();
  token.directories.clear();
  CHECK(mistake_in(token));
  CHECK_THROWS_AS(to_secret_text(token), std::invalid_argument);
  token.directories.assign(8, {"alpha", 1});
  CHECK_FALSE(mistake_in(token));
  token.directories.emplace_back(directory_address{"alpha", 1});
  CHECK(mistake_in(token));
  for (const auto* host : {"", "a b", "-a", "0.0.0.0", "2001:DB8::1", "a/b"}) {
    CAPTURE(host);
    token.directories.assign(1, {host, 1});
    CHECK(mistake_in(token));
  }
  token.directories.assign(1, {"alpha", 0});
  CHECK(mistake_in(token));
  // The longest that there can be is read again.
  const auto label = std::string(63, 'a');
  token.directories.assign(
    8, {label + '.' + label + '.' + label + '.' + std::string(61, 'a'), 65535});
  CHECK(parse_token(to_secret_text(token)).value().directories
        == token.directories);
}

TEST_CASE("Addresses of directories are written as they are pasted") {
  for (const auto* text :
       {"alpha.example.net:51820", "192.0.2.1:443", "[2001:db8::1]:51821"})
    CHECK(to_string(parse_directory_address(text).value()) == text);
  CHECK(to_string(parse_directory_address("[2001:DB8:0::1]:1").value())
        == "[2001:db8::1]:1");
  for (const auto* text : {"", "alpha", "alpha:", "alpha:0", "alpha:65536",
                           ":1", "alpha:+1", "alpha:01", "a b:1", "0.0.0.0:1"})
    CHECK_FALSE(parse_directory_address(text));
}

TEST_CASE("An invitation is what its issuer signed, and nothing wider") {
  deterministic_random random(8);
  const auto issuer = draw_signing_seed(random);
  const auto key = derive_verifying_key(issuer);
  const auto made = some_invitation();
  const auto whole = sign_bytes(issuer, encode(made));
  CHECK(is_signed_by(key, whole));
  CHECK(read_invitation(whole.content) == made);

  for (std::size_t i = 0; i < whole.content.size(); ++i) {
    auto changed = whole;
    changed.content[i] ^= std::byte{1};
    CHECK_FALSE(is_signed_by(key, changed));
  }
  CHECK_FALSE(
    is_signed_by(derive_verifying_key(draw_signing_seed(random)), whole));

  auto named = made;
  named.uses = 1;
  named.name = "beta";
  named.prefixes = prefixes_of({"10.200.7.0/24"});
  CHECK(read_invitation(encode(named)) == named);
}

TEST_CASE("Invitations are bounded") {
  const auto fails = [](auto change) {
    auto made = some_invitation();
    change(made);
    return !read_invitation(encode(made));
  };
  CHECK_FALSE(fails([](auto&) {}));
  CHECK(fails([](auto& each) { each.uses = 0; }));
  CHECK(fails([](auto& each) { each.uses = most_uses + 1; }));
  CHECK(fails([](auto& each) { each.name = "beta"; })); // of three uses
  CHECK(fails([](auto& each) { each.prefixes = prefixes_of({"10.0.0.0/8"}); }));
  CHECK(fails([](auto& each) { each.groups = {"A"}; }));
  CHECK(fails([](auto& each) { each.until = network_time{}; }));
  CHECK(fails([](auto& each) { each.token = {}; }));
  CHECK(fails([](auto& each) {
    for (int i = 0; i < 20; ++i)
      each.groups.insert("group-" + std::to_string(i));
  }));
  CHECK(fails([](auto& each) {
    each.uses = 1;
    each.prefixes = prefixes_of({"10.200.0.1/24"});
  }));
}
