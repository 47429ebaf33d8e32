#include "protocol/network/cbor.hpp"
#include "protocol/network/members.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/network_world.hpp"

using namespace weft;
using namespace weft::test;

namespace {

const_byte_span body_of(const byte_vector& frame) {
  return const_byte_span(frame).subspan(4);
}

template <class Message>
Message read_as_member(const byte_vector& frame) {
  return std::get<Message>(read_member_message(body_of(frame)).value().value());
}

template <class Message>
Message read_as_directory(const byte_vector& frame) {
  return std::get<Message>(
    read_directory_message(body_of(frame)).value().value());
}

byte_vector some_bytes(std::size_t count) {
  return byte_vector(count, std::byte{0x5a});
}

} // namespace

TEST_CASE("What a member says arrives as it was said") {
  const auto there
    = [](const member_message& message) { return encode_frame(message); };
  CHECK(read_as_member<member_hello>(there(member_hello{3})).version == 3);
  bucket_table table;
  table.put(some_bytes(3), some_bytes(4));
  CHECK(
    read_as_member<compare_items>(there(compare_items{table.digests()})).have
    == table.digests());
  read_as_member<next_page>(there(next_page{}));
  read_as_member<members_ping>(there(members_ping{}));
  const network_item item{epoch_key(7), some_bytes(20)};
  CHECK(read_as_member<offer_items>(there(offer_items{{item}})).items
        == std::vector<network_item>{item});
  const auto published
    = read_as_member<publish_record>(there(publish_record{9, some_bytes(100)}));
  CHECK(published.number == 9);
  CHECK(published.record == some_bytes(100));
  CHECK(read_as_member<renew_certificate>(
          there(renew_certificate{10, some_bytes(5)}))
          .number
        == 10);
  CHECK(read_as_member<leave_network>(there(leave_network{11, some_bytes(5)}))
          .request
        == some_bytes(5));
}

TEST_CASE("What a directory says arrives as it was said") {
  const auto there
    = [](const directory_message& message) { return encode_frame(message); };
  directory_welcome welcome{2, {}, 77, true, some_bytes(9), true};
  welcome.store[3] = std::byte{4};
  const auto heard = read_as_directory<directory_welcome>(there(welcome));
  CHECK(heard.version == 2);
  CHECK(heard.store == welcome.store);
  CHECK(heard.revision == 77);
  CHECK(heard.recovering);
  CHECK(heard.last_record == some_bytes(9));
  CHECK(heard.cut_off);
  for (const bool is_so : {true, false})
    CHECK(read_as_directory<directory_cut_off>(there(directory_cut_off{is_so}))
            .is_so
          == is_so);
  items_page page{{}, {{epoch_key(1), some_bytes(3)}}, true, 5};
  page.buckets.set(0);
  page.buckets.set(255);
  const auto shown = read_as_directory<items_page>(there(page));
  CHECK(shown.buckets == page.buckets);
  CHECK(shown.items == page.items);
  CHECK(shown.last);
  CHECK(shown.revision == 5);
  const auto changed = read_as_directory<items_changed>(
    there(items_changed{6, page.items, {epoch_key(2)}}));
  CHECK(changed.items == page.items);
  CHECK(changed.gone == std::vector<byte_vector>{epoch_key(2)});
  read_as_directory<compare_again>(there(compare_again{}));
  read_as_directory<members_pong>(there(members_pong{}));
  CHECK(read_as_directory<request_done>(there(request_done{4})).number == 4);
  const auto refused = read_as_directory<request_refused>(
    there(request_refused{5, {refusal::stale, "too old"}}));
  CHECK(refused.number == 5);
  CHECK(refused.why.why == refusal::stale);
  CHECK(refused.why.what == "too old");
  CHECK(read_as_directory<request_certified>(
          there(request_certified{6, {some_bytes(30), some_bytes(40)}}))
          .certificates.size()
        == 2);
  const request_certified sealed{7, {some_bytes(30)}, {{9, some_bytes(60)}}};
  CHECK(read_as_directory<request_certified>(there(sealed)).secret
        == sealed.secret);
  CHECK(
    to_string(read_as_directory<endpoint_seen>(
                there(endpoint_seen{parse_endpoint("[2001:db8::1]:9").value()}))
                .where)
    == "[2001:db8::1]:9");
}

TEST_CASE("The largest page and the largest list fit into a frame") {
  items_page page;
  for (std::size_t i = 0; i < most_page_items; ++i)
    page.items.push_back({epoch_key(i), some_bytes(1)});
  CHECK(encode_frame(directory_message{page}).size()
        < most_directory_frame_bytes);
  page.items = {{item_key(item_kind::list, std::string(32, 'a')),
                 some_bytes(most_item_bytes(item_kind::list))}};
  const auto frame = encode_frame(directory_message{page});
  CHECK(frame.size() < most_directory_frame_bytes);
  CHECK(read_as_directory<items_page>(frame).items == page.items);
}

TEST_CASE("Later messages and fields are ignored, critical ones refuse") {
  const auto read
    = [](std::string_view text) { return read_member_message(bytes_of(text)); };
  using namespace std::string_view_literals;
  // {"what": "dance"}
  const auto later = read("\xa1\x64what\x65"
                          "dance"sv);
  REQUIRE(later);
  CHECK_FALSE(*later);
  // {"what": "ping", "a": 1}, and with "!a"
  CHECK(read("\xa2\x64what\x64ping\x61"
             "a\x01"sv)
          .value());
  const auto critical = read("\xa2\x64what\x64ping\x62!a\x01"sv);
  REQUIRE_FALSE(critical);
  CHECK(critical.error().why == refusal::unknown_critical);
  CHECK_FALSE(read(""));
  CHECK_FALSE(read("\xa0"sv));
  CHECK_FALSE(read("\xa1\x64what\x67publish"sv));
}

TEST_CASE("A directory of an earlier version does not say whether it is cut "
          "off from its store") {
  const cbor::value earlier{{"what", "welcome"},
                            {"version", 1},
                            {"store", cbor::binary(store_id{})},
                            {"revision", 3},
                            {"recovering", false},
                            {"record", cbor::binary(byte_vector{})}};
  const auto heard = read_directory_message(cbor::write(earlier));
  REQUIRE(heard);
  CHECK_FALSE(std::get<directory_welcome>(**heard).cut_off);
}

TEST_CASE("Items have keys of their kinds, and bounds") {
  const auto id = some_member(3).id;
  CHECK(kind_of(item_key(item_kind::certificate, id))
        == item_kind::certificate);
  CHECK(member_of(item_key(item_kind::record, id)) == id);
  CHECK(issuer_of(item_key(item_kind::list, "first")) == "first");
  CHECK(epoch_of(epoch_key(9)) == 9);
  CHECK_FALSE(kind_of({}));
  CHECK_FALSE(kind_of(some_bytes(17)));
  CHECK_FALSE(kind_of(item_key(item_kind::issuer, "No Word")));
  CHECK_FALSE(kind_of(item_key(item_kind::certificate, "short")));
  CHECK_FALSE(member_of(epoch_key(1)));
  CHECK(is_item({epoch_key(1), some_bytes(256)}));
  CHECK_FALSE(is_item({epoch_key(1), some_bytes(257)}));
  CHECK_FALSE(is_item({epoch_key(1), {}}));
  CHECK(item_key_of(store_key_of(epoch_key(5))) == epoch_key(5));
  CHECK_FALSE(item_key_of("item/zz"));
  CHECK_FALSE(item_key_of("item/"));
  CHECK_FALSE(item_key_of("issued/first"));
}

TEST_CASE("A stream is parted into frames, however it comes, and never more is "
          "kept than one") {
  frame_reader reader(1000);
  byte_vector stream;
  for (std::uint64_t i = 0; i < 50; ++i) {
    const auto frame = encode_frame(member_message{
      publish_record{i, some_bytes(static_cast<std::size_t>(i))}});
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  std::uint64_t seen = 0;
  for (std::size_t at = 0; at < stream.size(); at += 7) {
    const auto rest = const_byte_span(stream).subspan(at);
    reader.append(rest.first(std::min<std::size_t>(7, rest.size())));
    while (const auto frame = reader.next().value()) {
      const auto message = read_member_message(*frame).value().value();
      CHECK(std::get<publish_record>(message).number == seen++);
    }
  }
  CHECK(seen == 50);
  reader.append(bytes_of(std::string_view("\x00\x00\x03\xe9", 4)));
  CHECK_FALSE(reader.next());
}
