// What the kernel answers over netlink, from a socket that plays the kernel.
#include "platform/linux/netlink.hpp"

#include "tests/platform/support.hpp"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <thread>

using namespace weft;
using Catch::Contains;

namespace {

/// How a dump ends for whoever asked, if the last message says `code`.
result<void> end_of_dump(std::int32_t code, bool says_code = true) {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data())
          == 0);
  const file_descriptor asks{ends[0]};
  const file_descriptor kernel{ends[1]};
  struct {
    nlmsghdr header;
    std::int32_t code;
  } message{};
  const auto size = sizeof(nlmsghdr) + (says_code ? sizeof code : 0);
  message.header.nlmsg_len = static_cast<std::uint32_t>(size);
  message.header.nlmsg_type = NLMSG_DONE;
  message.header.nlmsg_seq = 1;
  message.code = code;
  REQUIRE(::send(kernel.get(), &message, size, 0)
          == static_cast<ssize_t>(size));
  // Each thread numbers its requests from 1.
  result<void> outcome;
  std::thread asking([&] {
    netlink::request dump{RTM_GETLINK, 0};
    outcome
      = netlink::execute(asks.get(), dump, [] { return "Cannot list"; }, {});
  });
  asking.join();
  return outcome;
}

} // namespace

TEST_CASE("a dump that fails half-way is a failure, not a short list") {
  CHECK(end_of_dump(0));
  CHECK(end_of_dump(0, false));
  const auto failed = end_of_dump(-EINVAL);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == EINVAL);
  CHECK_THAT(failed.error().message, Contains("Cannot list"));
}
