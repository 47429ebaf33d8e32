#include "platform/clock.hpp"
#include "platform/replacement.hpp"
#include "platform/state_memory.hpp"
#include "platform/unix_socket.hpp"
#include "tests/platform/hand_over_support.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

result<void> give_something(giving_place& place) {
  std::vector<named_descriptor> descriptors;
  descriptors.push_back({"tun-0", file_with("the device")});
  descriptors.push_back({"udp.v4", file_with("the socket")});
  const auto state = state_memory::make("counter 17");
  return place.give(*state, descriptors, soon());
}

/// A socket at which a process is asked for its place.
struct asked_for_place {
  asked_for_place() {
    REQUIRE(listener);
  }

  temporary_folder folder;
  std::string path = folder.path() + "/place.sock";
  result<unix_listener> listener = unix_listener::open(path, 0600);
};

/// One that has a listener, gives up its place to whoever comes, and does
/// `then`.
child_process
process_with_place(const unix_listener& listener,
                   const std::function<int(giving_place&)>& then) {
  return child_process{[&]() -> int {
    pollfd entry{listener.descriptor(), POLLIN, 0};
    if (::poll(&entry, 1, 20000) != 1)
      return 10;
    auto place
      = giving_place::to(const_cast<unix_listener&>(listener).accept());
    if (!place)
      return 11;
    return then(*place);
  }};
}

int give_all(giving_place& place) {
  if (!give_something(place))
    return 12;
  return place.wait_until_ready(soon()) ? 0 : 13;
}

} // namespace

TEST_CASE("a state is given out once, and is gone then") {
  auto made = state_memory::make("keys");
  REQUIRE(made);
  auto again = state_memory::open(file_descriptor{::dup(made->descriptor())});
  REQUIRE(again);
  {
    const auto taken = again->take();
    REQUIRE(taken);
    CHECK(taken->view() == "keys");
    CHECK_FALSE(made->take());
    CHECK_FALSE(again->take());
  }
  CHECK(text_of(std::move(*made).release()).find("keys") == std::string::npos);
}

TEST_CASE("of many processes that want a state one gets it") {
  auto made = state_memory::make(std::string(1 << 20, 'k'));
  REQUIRE(made);
  int winners = 0;
  {
    std::array<std::optional<child_process>, 8> all;
    for (auto& one : all)
      one.emplace([&] { return made->take() ? 1 : 0; });
    for (auto& one : all)
      winners += one->wait();
  }
  CHECK(winners == 1);
}

TEST_CASE("an empty state can be given") {
  auto made = state_memory::make("");
  REQUIRE(made);
  CHECK(made->take()->view().empty());
}

TEST_CASE("a descriptor that is no state of weft is refused") {
  SECTION("a file that is not sealed") {
    CHECK(state_memory::open(file_with(std::string(100, 'x'))).error().code
          == EINVAL);
  }
  SECTION("sealed, of something else") {
    file_descriptor other{
      ::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    REQUIRE(::ftruncate(other.get(), 100) == 0);
    REQUIRE(::fcntl(other.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)
            == 0);
    const auto opened = state_memory::open(std::move(other));
    CHECK(opened.error().code == EINVAL);
  }
  SECTION("a state whose size was changed in its head") {
    auto made = state_memory::make("keys");
    REQUIRE(made);
    auto file = std::move(*made).release();
    const std::uint64_t size = 1 << 30;
    REQUIRE(::pwrite(file.get(), &size, sizeof size, 16) == sizeof size);
    const auto opened = state_memory::open(std::move(file));
    CHECK(opened.error().code == EINVAL);
  }
  SECTION("a socket, or nothing") {
    CHECK_FALSE(state_memory::open(
      file_descriptor{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)}));
    CHECK_FALSE(state_memory::open(file_descriptor{}));
  }
}

TEST_CASE("a state can neither be made shorter nor longer") {
  const auto made = state_memory::make("keys");
  REQUIRE(made);
  CHECK(::ftruncate(made->descriptor(), 1) != 0);
  CHECK(::ftruncate(made->descriptor(), 1000) != 0);
}

TEST_CASE_METHOD(
  asked_for_place,
  "a process takes the place of another, with state and descriptors") {
  auto old = process_with_place(*listener, [](giving_place& place) {
    if (const int code = give_all(place); code != 0)
      return code;
    return place.commit() ? 0 : 14;
  });
  auto place = taking_place::of(path);
  REQUIRE(place);
  const auto all = place->receive(soon());
  INFO((all ? "" : all.error().message));
  REQUIRE(all);
  CHECK(all->state.view() == "counter 17");
  REQUIRE(all->descriptors.size() == 2);
  CHECK(all->descriptors[0].name == "tun-0");
  CHECK(text_of(all->descriptors[0].descriptor) == "the device");
  CHECK(all->descriptors[1].name == "udp.v4");
  CHECK(text_of(all->descriptors[1].descriptor) == "the socket");
  CHECK((::fcntl(all->descriptors[1].descriptor.get(), F_GETFD) & FD_CLOEXEC)
        != 0);
  place->tell_ready();
  CHECK(place->wait_for_place(soon()));
  CHECK(old.wait() == 0);
}

TEST_CASE_METHOD(
  asked_for_place,
  "whoever is told that the other goes on never gets its place") {
  SECTION("before anything was given") {
    auto old = process_with_place(*listener, [](giving_place&) { return 0; });
    auto place = taking_place::of(path);
    REQUIRE(place);
    CHECK(place->receive(soon()).error().code == ECANCELED);
    CHECK(old.wait() == 0);
  }
  SECTION("after it was ready") {
    auto old = process_with_place(*listener, [](giving_place& place) {
      const int code = give_all(place);
      place.abort();
      return code;
    });
    auto place = taking_place::of(path);
    REQUIRE(place);
    REQUIRE(place->receive(soon()));
    place->tell_ready();
    CHECK(place->wait_for_place(soon()).error().code == ECANCELED);
    CHECK(old.wait() == 0);
  }
}

TEST_CASE_METHOD(
  asked_for_place,
  "a process that dies after it has given all leaves its place") {
  auto old = process_with_place(*listener, [](giving_place& place) {
    if (give_all(place) == 0)
      ::pause();
    return 1;
  });
  auto place = taking_place::of(path);
  REQUIRE(place);
  REQUIRE(place->receive(soon()));
  place->tell_ready();
  old.kill();
  CHECK(place->wait_for_place(soon()));
}

TEST_CASE_METHOD(
  asked_for_place,
  "a process that dies before the other is ready leaves its place, "
  "unless it has said that it goes on") {
  const bool goes_on = GENERATE(false, true);
  auto old = process_with_place(*listener, [goes_on](giving_place& place) {
    if (!give_something(place))
      return 12;
    if (goes_on)
      place.abort();
    ::_exit(0); // and nothing is cleaned up
  });
  auto place = taking_place::of(path);
  REQUIRE(place);
  REQUIRE(place->receive(soon()));
  CHECK(old.wait() == 0);
  place->tell_ready();
  const auto mine = place->wait_for_place(soon());
  CHECK(mine.has_value() != goes_on);
  if (!mine)
    CHECK(mine.error().code == ECANCELED);
}

TEST_CASE_METHOD(
  asked_for_place,
  "a process that has given its place and does not end is killed") {
  auto old = process_with_place(*listener, [](giving_place& place) {
    if (give_all(place) != 0 || !place.commit())
      return 1;
    for (;;)
      ::pause();
  });
  auto place = taking_place::of(path);
  REQUIRE(place);
  REQUIRE(place->receive(soon()));
  place->tell_ready();
  REQUIRE(place->wait_for_place(soon()));
  CHECK(place->wait_until_ended(boot_now() + 100ms));
  CHECK(old.wait() == -1);
}

TEST_CASE_METHOD(asked_for_place,
                 "a successor that was ready too late may have given up") {
  child_process successor{[&]() -> int {
    auto place = taking_place::of(path);
    if (!place || !place->receive(soon()))
      return 1;
    place->tell_ready();
    return 0;
  }};
  pollfd entry{listener->descriptor(), POLLIN, 0};
  REQUIRE(::poll(&entry, 1, 20000) == 1);
  auto place = giving_place::to(listener->accept());
  REQUIRE(place);
  REQUIRE(give_something(*place));
  REQUIRE(successor.wait() == 0);
  CHECK(place->wait_until_ready(boot_now() - 1ms).error().code == ETIMEDOUT);
}

TEST_CASE_METHOD(asked_for_place,
                 "a stream that ends while the other lives gives no place") {
  child_process old{[&]() -> int {
    pollfd entry{listener->descriptor(), POLLIN, 0};
    if (::poll(&entry, 1, 20000) != 1)
      return 10;
    auto connection = listener->accept();
    const int copy = connection.get();
    auto place = giving_place::to(std::move(connection));
    if (!place || give_all(*place) != 0)
      return 11;
    ::shutdown(copy, SHUT_RDWR); // as if its last line were lost
    ::pause();
    return 0;
  }};
  auto place = taking_place::of(path);
  REQUIRE(place);
  REQUIRE(place->receive(soon()));
  place->tell_ready();
  CHECK(place->wait_for_place(boot_now() + 200ms).error().code == ETIMEDOUT);
}

TEST_CASE_METHOD(asked_for_place,
                 "a successor that dies before it is ready is noticed") {
  child_process successor{[&]() -> int {
    auto place = taking_place::of(path);
    return place && place->receive(soon()) ? 0 : 1;
  }};
  pollfd entry{listener->descriptor(), POLLIN, 0};
  REQUIRE(::poll(&entry, 1, 20000) == 1);
  auto place = giving_place::to(listener->accept());
  REQUIRE(place);
  REQUIRE(give_something(*place));
  CHECK(place->wait_until_ready(soon()).error().code == ECONNRESET);
  CHECK(successor.wait() == 0);
}

TEST_CASE_METHOD(asked_for_place,
                 "whoever is turned away hears why, and may come again") {
  for (int round = 0; round < 2; ++round) {
    auto old = process_with_place(*listener, [](giving_place& place) {
      place.turn_away("a change is being made\nand more");
      return 0;
    });
    auto place = taking_place::of(path);
    REQUIRE(place);
    const auto all = place->receive(soon());
    REQUIRE_FALSE(all);
    CHECK(all.error().code == EBUSY);
    CHECK(all.error().message == "a change is being made");
    CHECK(old.wait() == 0);
  }
}

TEST_CASE_METHOD(asked_for_place,
                 "what is no hand-over is refused, however it looks") {
  const auto text
    = GENERATE(std::string{"weft hand-over 2\n\n"}, std::string{"\n\n"},
               std::string{"weft hand-over 1\nno descriptor\n\n"},
               std::string{"weft hand-over 1\ntun-0\n\n"},
               std::string{"weft hand-over 1"}, std::string(40000, 'x'));
  child_process old{[&]() -> int {
    pollfd entry{listener->descriptor(), POLLIN, 0};
    ::poll(&entry, 1, 20000);
    const auto connection = listener->accept();
    ::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL);
    return 0;
  }};
  auto place = taking_place::of(path);
  REQUIRE(place);
  CHECK_FALSE(place->receive(soon()));
}

TEST_CASE("what somebody else has as well is free once that one has closed it "
          "too") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  std::vector<named_descriptor> all;
  const auto add = [&all](const char* name, int fd) {
    auto copy = duplicate(fd);
    REQUIRE(copy);
    all.push_back({name, std::move(*copy)});
  };
  {
    const auto tun = tun_device::create("weft-free");
    REQUIRE(tun);
    auto sockets = open_udp_sockets({{ip_family::v6, {}}, 5182, 0}, 0);
    REQUIRE(sockets);
    auto strangers = open_stranger_sockets(*sockets);
    REQUIRE(strangers);
    add("tun", tun->descriptor());
    add("udp6", sockets->v6->descriptor());
    add("strangers6", strangers->v6->descriptor());
    all.push_back({"state", file_with("what nobody waits for")});
  }
  child_process other{[] { return ::pause(); }}; // it has copies of them
  std::vector<named_descriptor> copies;
  for (const auto& [name, descriptor] : all)
    copies.push_back({name, std::move(*duplicate(descriptor.get()))});
  const auto too_early = close_everywhere(std::move(copies), boot_now());
  CHECK_FALSE(too_early);
  other.kill();
  const auto closed = close_everywhere(std::move(all), soon());
  CHECK(closed);
  CHECK(tun_device::create("weft-free"));
  CHECK(open_udp_sockets({{ip_family::v6, {}}, 5182, 0}, 0));
}
