#include "protocol/base/wireguard.hpp"

#include "tests/catch.hpp"

#include <vector>

namespace {

using weft::message_type;
using weft::wire::classify;

std::optional<message_type> classify_first(int type, std::size_t size) {
  std::vector<std::byte> datagram(size);
  if (size > 0)
    datagram[0] = static_cast<std::byte>(type);
  return classify(datagram);
}

} // namespace

TEST_CASE("Messages are known by type and length") {
  CHECK(classify_first(1, 148) == message_type::initiation);
  CHECK(classify_first(2, 92) == message_type::response);
  CHECK(classify_first(3, 64) == message_type::cookie_reply);
  CHECK(classify_first(4, 32) == message_type::transport);
  CHECK(classify_first(4, 33) == message_type::transport);
  CHECK(classify_first(4, 65507) == message_type::transport);
}

TEST_CASE("Messages of another length are none") {
  for (std::size_t size = 0; size < 200; ++size) {
    CAPTURE(size);
    CHECK(classify_first(1, size).has_value() == (size == 148));
    CHECK(classify_first(2, size).has_value() == (size == 92));
    CHECK(classify_first(3, size).has_value() == (size == 64));
    CHECK(classify_first(4, size).has_value() == (size >= 32));
  }
}

TEST_CASE("Messages of another type are none") {
  for (int type = 0; type < 256; ++type)
    for (std::size_t size : {32u, 64u, 92u, 148u})
      if (type < 1 || type > 4)
        CHECK_FALSE(classify_first(type, size));
}

TEST_CASE("Messages whose reserved bytes are not zero are none") {
  for (std::size_t at : {1u, 2u, 3u}) {
    std::vector<std::byte> datagram(148);
    datagram[0] = std::byte{1};
    REQUIRE(classify(datagram));
    datagram[at] = std::byte{1};
    CHECK_FALSE(classify(datagram));
    datagram[0] = std::byte{4};
    CHECK_FALSE(classify(datagram));
  }
}
