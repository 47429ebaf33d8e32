#include "config/uapi_secrets.hpp"

#include "config/uapi_codec.hpp"
#include "support.hpp"
#include "tests/catch.hpp"

using namespace weft;
using namespace weft::test;

TEST_CASE("The keys are read out of what wg's socket answers, and nothing out "
          "of what is no whole answer") {
  device_status status;
  status.private_key = key(8);
  status.listen_port = 7;
  status.peers.resize(2);
  status.peers[0].public_key = public_of(1);
  status.peers[0].preshared_key = key(16);
  status.peers[1].public_key = public_of(2);
  const auto text = format_uapi_status(status);
  const auto found = parse_uapi_secrets(text);
  REQUIRE(found);
  CHECK(found->private_key == key(8));
  CHECK(found->preshared_keys.size() == 2);
  CHECK(found->preshared_keys.at(public_of(1)) == key(16));
  CHECK(found->preshared_keys.at(public_of(2)).is_zero());
  CHECK_FALSE(parse_uapi_secrets(text.substr(0, text.find("errno"))));
  CHECK_FALSE(parse_uapi_secrets("errno=-13\n\n"));
  CHECK_FALSE(parse_uapi_secrets("preshared_key=00\nerrno=0\n\n"));
}
