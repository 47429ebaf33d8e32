#include "protocol/network/cbor.hpp"
#include "protocol/network/record.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/network_support.hpp"

using namespace weft;
using namespace weft::test;

namespace {

published_endpoint
at(std::string_view text, endpoint_source source = endpoint_source::file) {
  return {parse_endpoint(text).value(), source};
}

record_content some_content() {
  return {{at("192.0.2.1:51820"),
           at("[2001:db8::1]:51820", endpoint_source::seen)},
          true,
          7,
          {"lanes"}};
}

struct signer {
  deterministic_random random{3};
  signing_seed seed = draw_signing_seed(random);
  verifying_key key = derive_verifying_key(seed);
  member_id member = member_id::draw(random);

  member_record make(record_order order, const record_content& content) const {
    return member_record::make(some_root().network, member, order, content,
                               seed);
  }
  /// A record with any map as its content.
  byte_vector make_raw(const cbor::value& content) const {
    auto bytes = joined({bytes_of("weft record 1"), some_root().network.bytes,
                         member.bytes, number_bytes(1), number_bytes(1),
                         cbor::write(content)});
    const auto made = sign(seed, bytes);
    bytes.insert(bytes.end(), made.begin(), made.end());
    return bytes;
  }
};

const cbor::value plain_content{{"endpoints", cbor::value::array()},
                                {"relays", false},
                                {"epoch", 1},
                                {"abilities", cbor::value::array()}};

std::string why(const byte_vector& bytes) {
  const auto read = member_record::read(bytes);
  return read ? "accepted" : std::string{to_string(read.error().why)};
}

} // namespace

TEST_CASE("A record is its signed bytes, which are never written again") {
  const signer who;
  const auto made = who.make({2, 9}, some_content());
  const auto read = member_record::read(made.bytes()).value();
  CHECK(read.bytes() == made.bytes());
  CHECK(read.network() == some_root().network);
  CHECK(read.member() == who.member);
  CHECK(read.order() == record_order{2, 9});
  CHECK(read.content() == some_content());
  CHECK(read.verify(who.key));
  CHECK(read.bytes().size() < 300);
}

TEST_CASE("No changed record is its member's") {
  const signer who;
  const auto made = who.make({2, 9}, some_content());
  for (std::size_t i = 0; i < made.bytes().size(); ++i) {
    auto changed = made.bytes();
    changed[i] ^= std::byte{1};
    const auto read = member_record::read(changed);
    CHECK((!read || !read->verify(who.key)));
    changed.resize(i);
    const auto cut = member_record::read(changed);
    CHECK((!cut || !cut->verify(who.key)));
  }
  signer other;
  other.seed = draw_signing_seed(other.random);
  CHECK_FALSE(made.verify(derive_verifying_key(other.seed)));
}

TEST_CASE("Records are ordered by generation, then by serial") {
  CHECK(record_order{1, 9} < record_order{2, 0});
  CHECK(record_order{2, 0} < record_order{2, 1});
  CHECK(record_order{2, 1} == record_order{2, 1});
}

TEST_CASE("Endpoints are where another host could send to") {
  const signer who;
  for (const auto* text :
       {"127.0.0.1:1", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1",
        "169.254.1.1:1", "[::1]:1", "[::]:1", "[ff02::1]:1", "[fe80::1]:1",
        "[2001:db8::1%3]:1", "192.0.2.1:0"}) {
    CAPTURE(text);
    const record_content content{{at(text)}};
    CHECK(find_mistake(content));
    CHECK_THROWS_AS(who.make({1, 1}, content), std::invalid_argument);
    auto raw = plain_content;
    raw["endpoints"].push_back({{"at", text}, {"from", "file"}});
    CHECK(why(who.make_raw(raw)) == "malformed");
  }
  record_content many;
  for (int i = 1; i <= 8; ++i)
    many.endpoints.push_back(at("192.0.2." + std::to_string(i) + ":1"));
  CHECK_FALSE(find_mistake(many));
  many.endpoints.push_back(at("192.0.2.9:1"));
  CHECK(find_mistake(many));

  const auto overlay = prefixes_of({"192.0.2.0/31"});
  CHECK(find_inside(some_content(), overlay)->where.port == 51820);
  CHECK(find_inside(some_content(), prefixes_of({"10.0.0.0/8"})) == nullptr);
}

TEST_CASE("Unknown fields are ignored, unknown critical ones are not") {
  const signer who;
  CHECK(why(who.make_raw(plain_content)) == "accepted");
  auto content = plain_content;
  content["shoe-size"] = 43;
  CHECK(why(who.make_raw(content)) == "accepted");
  content["!shoe-size"] = 43;
  CHECK(why(who.make_raw(content)) == "unknown_critical");
  for (const auto& [name, unused] : plain_content.items()) {
    content = plain_content;
    content.erase(name);
    CHECK(why(who.make_raw(content)) == "malformed");
    content[name] = nullptr;
    CHECK(why(who.make_raw(content)) == "malformed");
  }
}

TEST_CASE("What is signed is bounded before it is believed") {
  const signer who;
  auto content = plain_content;
  content["padding"] = std::string(4096, 'a');
  CHECK(why(who.make_raw(content)) == "malformed");
  content["padding"] = std::string(3000, 'a');
  CHECK(why(who.make_raw(content)) == "accepted");
  content["padding"] = "\x1b[2J";
  CHECK(why(who.make_raw(content)) == "malformed");
  content["padding"] = -1;
  CHECK(why(who.make_raw(content)) == "malformed");
  content["padding"] = 0.5;
  CHECK(why(who.make_raw(content)) == "malformed");
  CHECK(why(who.make_raw(cbor::value::array())) == "malformed");
  // Deeper than anything of ours, and than any stack.
  content = cbor::value::object();
  for (int depth = 1; depth <= 8; ++depth) {
    CHECK(cbor::read(cbor::write(content), 4096, "it").has_value()
          == (depth <= 6));
    content = cbor::value{{"deeper", content}};
  }
  CHECK(!cbor::read(byte_vector(1'000'000, std::byte{0x81}), 1'000'000, "it"));
}

TEST_CASE("Nothing that a frame is full of uses up the stack") {
  constexpr std::size_t most = 1'310'720;
  const auto reads = [](std::string_view begin, std::string_view filled_with) {
    auto bytes = unhex(begin);
    const auto unit = unhex(filled_with);
    while (bytes.size() + unit.size() <= most)
      bytes.insert(bytes.end(), unit.begin(), unit.end());
    return cbor::read(bytes, most, "it").has_value();
  };
  // Bytes, texts, lists and maps, of unknown length and of one value, each
  // within the other, alone and as a field's name and value; a tag.
  for (const auto* each :
       {"5f", "7f", "9f", "bf", "81", "a1", "c1", "5f7f", "9fbf", "9f5f7f",
        "bf5f", "8181a1", "a16161", "bf616161", "a1a1", "d818"}) {
    for (const auto* begin : {"", "a1", "bf", "a16161", "a1616181"})
      CHECK_FALSE(reads(begin, each));
  }
}

TEST_CASE("CBOR has one value, and each name once in a map") {
  const auto reads = [](std::string_view digits) {
    return cbor::read(unhex(digits), 100, "it").has_value();
  };
  CHECK(reads("a0"));
  CHECK(reads("a1616101"));                       // {"a": 1}
  CHECK(reads("a26161016162a0"));                 // {"a": 1, "b": {}}
  CHECK_FALSE(reads("a2616101616102"));           // "a" twice
  CHECK_FALSE(reads("bf616101ff"));               // of no stated length
  CHECK_FALSE(reads("a161619fff"));               // a list of none
  CHECK_FALSE(reads("a161617f6161ff"));           // a text of none
  CHECK_FALSE(reads("a161615f4161ff"));           // bytes of none
  CHECK_FALSE(reads("a16161f7"));                 // neither true nor false
  CHECK_FALSE(reads("a161610101"));               // more than one value
  CHECK_FALSE(reads("a16161"));                   // less than one
  CHECK_FALSE(reads("a10101"));                   // a name that is a number
  CHECK_FALSE(reads("a16161c101"));               // a tag
  CHECK_FALSE(reads("a1616120"));                 // below zero
  CHECK_FALSE(reads("a16161fb3ff8000000000000")); // 1.5
  CHECK_FALSE(reads("a1616161ff"));               // no UTF-8
  CHECK_FALSE(reads("bbffffffffffffffff"));       // as many fields
  CHECK_FALSE(reads("a161619bffffffffffffffff")); // as many values
  CHECK_FALSE(reads("a161617b7fffffffffffffff")); // as long a text
  CHECK_FALSE(reads("a161615b7fffffffffffffff")); // as many bytes
  CHECK_FALSE(reads("a161619b7fffffffffffffff")); // as long a list
  CHECK_FALSE(reads(""));
}

TEST_CASE("HKDF and HMAC give the results of their papers") {
  // Salt and information of RFC 5869's test case 1, and a key of 32 bytes;
  // computed with Python's hmac.
  byte_array<32> input{};
  input.fill(std::byte{0x0b});
  byte_array<32> out{};
  hkdf_sha256(input, unhex("000102030405060708090a0b0c"),
              unhex("f0f1f2f3f4f5f6f7f8f9"), out);
  CHECK(hex(out)
        == "d4100799f26a09615a72af3e58fa3841a2ff20d5ace3fb392e562e207fe6b718");
  // RFC 4231, test case 2, with the key filled up with zeros as HMAC does.
  byte_array<32> jefe{};
  std::memcpy(jefe.data(), "Jefe", 4);
  CHECK(hex(hmac_sha256(jefe, bytes_of("what do ya want for nothing?")))
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex(sha256({bytes_of("a"), bytes_of("bc")}))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
