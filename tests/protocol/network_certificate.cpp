#include "protocol/network/certificate.hpp"
#include "protocol/network/ranges.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/network_support.hpp"

using namespace weft;
using namespace weft::test;

namespace {

using uri_list = std::vector<std::string>;

std::string why(const uri_list& uris) {
  const auto read = read_uris(uris);
  return read ? "accepted" : std::string{to_string(read.error().why)};
}

uri_list with(uri_list uris, std::size_t index, std::string text) {
  uris.at(index) = std::move(text);
  return uris;
}

} // namespace

TEST_CASE("A member's certificate says what it is in one form only") {
  auto member = some_member(1);
  member.prefixes
    = {prefix_of("10.200.0.16/28"), prefix_of("fd00:200:0:1::/64")};
  member.groups = {"db", "web"};
  const auto uris = to_uris(member);
  CHECK(uris.front() == "weft:1:member");
  CHECK(uris.at(2) == "weft:name:member-1");
  CHECK(uris.at(5) == "weft:prefix:10.200.0.16/28");
  CHECK(uris.at(6) == "weft:prefix:fd00:200:0:1::/64");
  CHECK(uris.at(8) == "weft:group:web");
  CHECK(uris.at(9) == "weft:generation:1");
  CHECK(read_uris_as<member_contents>(uris) == member);

  for (std::size_t i = 0; i < uris.size(); ++i) {
    CAPTURE(uris[i]);
    auto fewer = uris;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    if (i != 6 && i != 7 && i != 8 && i != 5) // what there may be fewer of
      CHECK(why(fewer) != "accepted");
    auto twice = uris;
    twice.insert(twice.begin() + static_cast<std::ptrdiff_t>(i), uris[i]);
    CHECK(why(twice) != "accepted");
    CHECK(why(with(uris, i, uris[i] + " ")) != "accepted");
    CHECK(why(with(uris, i, "")) != "accepted");
    if (i + 1 < uris.size()) {
      auto swapped = uris;
      std::swap(swapped[i], swapped[i + 1]);
      CHECK(why(swapped) != "accepted");
    }
  }
  auto more = uris;
  more.emplace_back("https://example.net/");
  CHECK(why(more) == "malformed");
}

TEST_CASE("Every certificate of a network has exactly one role") {
  const auto root = some_root();
  const issuer_contents issuer{root.network, "first", root.ranges};
  const directory_contents directory{root.network, "alpha"};
  const auto member = some_member(1);
  const std::vector<certificate_contents> all{root, issuer, directory, member};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto uris = to_uris(all[i]);
    CHECK(read_uris(uris) == all[i]);
    CHECK(read_uris_as<root_contents>(uris).has_value() == (i == 0));
    CHECK(read_uris_as<issuer_contents>(uris).has_value() == (i == 1));
    CHECK(read_uris_as<directory_contents>(uris).has_value() == (i == 2));
    CHECK(read_uris_as<member_contents>(uris).has_value() == (i == 3));
    for (std::size_t j = 0; j < all.size(); ++j) {
      auto both = uris;
      for (auto& each : to_uris(all[j]))
        both.push_back(each);
      CHECK(why(both) == "malformed");
      CHECK(why(with(uris, 0, to_uris(all[j]).front()))
            == (i == j ? "accepted" : "malformed"));
    }
  }
  CHECK(why({}) == "wrong_role");
  CHECK(why({"weft:1:operator"}) == "wrong_role");
  CHECK(why({"weft:2:member"}) == "wrong_role");
  CHECK(why({"DNS:weft:1:member"}) == "wrong_role");
}

TEST_CASE("Members' words, numbers and prefixes are bounded and canonical") {
  const auto good = some_member(1);
  const auto fails = [](const member_contents& member) {
    const auto read = read_uris(to_uris(member));
    return !read && read.error().why == refusal::malformed;
  };
  CHECK_FALSE(fails(good));
  for (const auto* name : {"", "Alpha", "a.b", "a b", "a_b", "ä", "a\n",
                           "a23456789012345678901234567890123"}) {
    CAPTURE(name);
    auto bad = good;
    bad.name = name;
    CHECK(fails(bad));
    bad = good;
    bad.groups = {name};
    CHECK(fails(bad));
  }
  auto longest = good;
  longest.name = std::string(32, 'a');
  CHECK_FALSE(fails(longest));

  const auto with_prefixes = [&](const std::vector<std::string>& prefixes) {
    auto member = good;
    member.prefixes = prefixes_of(prefixes);
    return fails(member);
  };
  CHECK(with_prefixes({}));
  CHECK(with_prefixes({"10.200.0.1/28"}));
  CHECK(with_prefixes({"10.200.0.16/28", "10.200.0.0/28"}));
  CHECK(with_prefixes({"10.200.0.0/24", "10.200.0.16/28"}));
  CHECK(with_prefixes({"10.200.0.0/28", "10.200.0.0/28"}));
  std::vector<std::string> many;
  for (int i = 0; i < 16; ++i)
    many.push_back("10.200." + std::to_string(i) + ".0/24");
  CHECK_FALSE(with_prefixes(many));
  many.emplace_back("10.200.16.0/24");
  CHECK(with_prefixes(many));

  auto bad = good;
  bad.generation = 0;
  CHECK(fails(bad));
  bad = good;
  bad.allocation = 0;
  CHECK(fails(bad));
  bad = good;
  bad.key = {};
  CHECK(fails(bad));
  auto uris = to_uris(good);
  CHECK(why(with(uris, uris.size() - 1, "weft:allocation:01")) == "malformed");
  CHECK(why(with(uris, uris.size() - 1, "weft:allocation:-1")) == "malformed");
  CHECK(
    why(with(uris, uris.size() - 1, "weft:allocation:99999999999999999999999"))
    == "malformed");
}

TEST_CASE("A root has ranges that leave hosts what they need") {
  const auto fails = [](const std::vector<std::string>& ranges) {
    auto root = some_root();
    root.ranges = prefixes_of(ranges);
    return !read_uris(to_uris(root)).has_value();
  };
  CHECK_FALSE(fails({"10.200.0.0/16", "fd00:200::/48"}));
  CHECK_FALSE(fails({"10.0.0.0/8", "100.64.0.0/10", "192.168.0.0/28"}));
  for (const auto* range :
       {"0.0.0.0/0", "0.0.0.0/1", "127.0.0.0/8", "127.0.0.0/16", "224.0.0.0/24",
        "169.254.0.0/16", "8.0.0.0/7", "::/0", "fe80::/64", "ff02::/16",
        "::1/128", "192.168.0.0/29", "fd00::/65"}) {
    CAPTURE(range);
    CHECK(fails({range}));
  }
}

TEST_CASE("Nobody is given more than root and issuer have") {
  const auto root = some_root();
  issuer_contents issuer{root.network, "first", prefixes_of({"10.200.0.0/17"})};
  CHECK_FALSE(find_breach(root, issuer));
  auto member = some_member(1);
  member.prefixes = prefixes_of({"10.200.0.0/28"});
  CHECK_FALSE(find_breach(root, issuer, member));

  const auto breach = [&](const std::vector<std::string>& prefixes,
                          const std::vector<std::string>& wider = {}) {
    member.prefixes = prefixes_of(prefixes);
    const auto found = find_breach(root, issuer, member, prefixes_of(wider));
    return found ? std::string{to_string(found->why)} : "none";
  };
  CHECK(breach({"10.200.128.0/28"}) == "outside_ranges");
  CHECK(breach({"10.200.0.0/16"}) == "outside_ranges");
  CHECK(breach({"10.200.0.0/28", "192.168.1.0/24"}) == "outside_ranges");
  CHECK(breach({"10.200.0.0/28", "192.168.1.0/24"}, {"192.168.0.0/16"})
        == "none");

  issuer.ranges = prefixes_of({"10.0.0.0/8"});
  CHECK(find_breach(root, issuer)->why == refusal::outside_ranges);
  CHECK(breach({"10.200.0.0/28"}) == "outside_ranges");
  issuer.ranges = root.ranges;
  member.network.bytes[0] ^= std::byte{1};
  CHECK(breach({"10.200.0.0/28"}) == "wrong_network");
  issuer.network = member.network;
  CHECK(find_breach(root, issuer)->why == refusal::wrong_network);
  CHECK(find_breach(root, directory_contents{member.network, "alpha"})->why
        == refusal::wrong_network);
}

TEST_CASE("Prefixes are sets of addresses") {
  CHECK(covers(prefix_of("10.0.0.0/8"), prefix_of("10.1.0.0/16")));
  CHECK_FALSE(covers(prefix_of("10.1.0.0/16"), prefix_of("10.0.0.0/8")));
  CHECK(overlaps(prefix_of("10.1.0.0/16"), prefix_of("10.0.0.0/8")));
  CHECK_FALSE(overlaps(prefix_of("0.0.0.0/0"), prefix_of("::/0")));
  CHECK(to_string(last_address(prefix_of("10.0.0.16/28"))) == "10.0.0.31");
  CHECK(to_string(last_address(prefix_of("fd00::/64")))
        == "fd00::ffff:ffff:ffff:ffff");
  CHECK(to_string(*next_address(*parse_ip_address("10.0.0.255")))
        == "10.0.1.0");
  CHECK_FALSE(next_address(*parse_ip_address("255.255.255.255")));
  CHECK(to_string(own_address(prefix_of("10.0.0.16/28"))) == "10.0.0.17");
  CHECK(to_string(own_address(prefix_of("10.0.0.16/31"))) == "10.0.0.16");
  CHECK(to_string(own_address(prefix_of("fd00::/64"))) == "fd00::1");
  CHECK(to_string(own_address(prefix_of("fd00::7/128"))) == "fd00::7");
}

TEST_CASE("Each reason for a refusal has a name of its own") {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < refusal_count; ++i)
    names.insert(to_string(static_cast<refusal>(i)));
  CHECK(names.size() == refusal_count);
  CHECK(names.count("?") == 0);
}
