#include "protocol/network/member_memory.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/network_world.hpp"

#include <array>

using namespace weft;
using namespace weft::test;

namespace {

const auto network = some_root().network;

view_marks some_marks() {
  view_marks marks;
  marks.floor = noon;
  marks.lists = {{"first", 17}, {"second", ~std::uint64_t{0}}};
  marks.removed["first"][some_member(3).id] = noon + std::chrono::hours{1};
  marks.members[some_member(1).id] = {4, {3, 9}, "first"};
  marks.members[some_member(2).id] = {1, {}};
  return marks;
}

bool is_same(const view_marks& a, const view_marks& b) {
  return a.floor == b.floor && a.lists == b.lists && a.removed == b.removed
         && a.members == b.members;
}

epoch_secret some_secret(std::uint64_t epoch) {
  deterministic_random random(epoch);
  epoch_secret made{epoch, {}};
  random.fill(made.secret.bytes());
  return made;
}

} // namespace

TEST_CASE("Marks come back from the disk as they were") {
  for (const auto& marks : {some_marks(), view_marks{}}) {
    const auto read = read_marks(network, encode_marks(network, marks));
    REQUIRE(read);
    CHECK(is_same(*read, marks));
  }
}

TEST_CASE("Marks have the items beside them that are as new as they are") {
  const network_item list{item_key(item_kind::list, "first"), {std::byte{7}}};
  const std::array<const network_item*, 1> beside{&list};
  const auto bytes = encode_marks(network, some_marks(), beside);
  CHECK(is_same(read_marks(network, bytes).value(), some_marks()));
  CHECK(read_marked_items(network, bytes).value() == std::vector{list});
  CHECK(read_marked_items(network, encode_marks(network, some_marks()))
          .value()
          .empty());
  CHECK_FALSE(read_marked_items(network, encode_items(network, beside)));
}

TEST_CASE("Whose member an id is stays with the marks") {
  const signed_network net;
  auto view = view_of(1, net);
  REQUIRE(view.add_certificate(net.certificate(2)));
  const auto kept = read_marks(network, encode_marks(network, view.kept()));
  auto later = view_of(1, net, kept.value());
  auto other = net.issuer;
  other.contents.name = "second";
  other.key = derive_verifying_key(signed_network::seed_of(2));
  REQUIRE(later.add_issuer(other));
  auto stolen = net.certificate(2);
  stolen.issuer = "second";
  stolen.contents.generation = ~std::uint64_t{0} >> 1U;
  CHECK(later.add_certificate(stolen).error().why == refusal::not_allowed);
  CHECK(later.add_certificate(net.certificate(2)).value());
}

TEST_CASE("Marks with any bit changed, or cut off, are not believed") {
  const auto bytes = encode_marks(network, some_marks());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto changed = bytes;
    changed[i] ^= std::byte{1};
    CHECK_FALSE(read_marks(network, changed));
    CHECK_FALSE(read_marks(network, const_byte_span(bytes).first(i)));
  }
  CHECK(read_marks(network_id{}, bytes).error().why == refusal::wrong_network);
  CHECK_FALSE(read_items(network, bytes));
}

TEST_CASE("Items come back from the disk as they were") {
  const network_item a{item_key(item_kind::issuer, "first"), {std::byte{7}}};
  const network_item b{item_key(item_kind::record, some_member(1).id), {}};
  const std::array<const network_item*, 2> both{&a, &b};
  const auto bytes = encode_items(network, both);
  CHECK(read_items(network, bytes).value() == std::vector{a, b});
  CHECK(read_items(network, encode_items(network, {})).value().empty());
  CHECK(read_items(network_id{}, bytes).error().why == refusal::wrong_network);
}

TEST_CASE("Secrets of epochs come back as they were, and nothing else does") {
  preshared_epochs epochs;
  epochs.add(some_secret(4), noon);
  epochs.add(some_secret(6), noon);
  const auto text = format_secrets(epochs);
  const auto read = parse_secrets(text);
  REQUIRE(read);
  CHECK(format_secrets(*read) == text);
  CHECK(read->to_try() == std::vector<std::uint64_t>{6, 4});
  CHECK(read->held()[1].until == noon + preshared_epochs::overlap);
  CHECK(read->key_of(4, network, some_member(1).key, some_member(2).key)
        == epochs.key_of(4, network, some_member(1).key, some_member(2).key));
  CHECK(parse_secrets("").value().empty());
  for (const std::string_view bad :
       {"x", "1 00 -\n", "0 ", "4\n", "99999999999999999999999 "})
    CHECK_FALSE(parse_secrets(bad));
  CHECK_FALSE(parse_secrets(text.substr(1)));
  CHECK_FALSE(parse_secrets(text + "x"));
}

TEST_CASE("Of kept secrets the newest has no end, and there are no two alike") {
  std::vector<preshared_epochs::held_secret> kept;
  for (const std::uint64_t epoch : {3U, 5U, 5U, 4U})
    kept.push_back({some_secret(epoch), noon});
  const preshared_epochs epochs{std::move(kept)};
  CHECK(epochs.to_try() == std::vector<std::uint64_t>{5, 4, 3});
  CHECK(epochs.held().front().until == network_time::max());
}
