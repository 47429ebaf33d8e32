#include "actors/overlay/uapi_server.hpp"

#include "messages/errors.hpp"
#include "tests/actors/support.hpp"
#include "tests/platform/support.hpp"
#include "tests/protocol/support.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

/// Somebody at the other end of the socket.
class client {
public:
  explicit client(const std::string& path) {
    auto connected = connect_unix(path);
    if (!connected)
      FAIL(connected.error().message);
    fd_ = std::move(*connected);
  }

  bool send(std::string_view text) {
    while (!text.empty()) {
      const auto sent
        = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent < 0)
        return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// One answer: up to the empty line.  Less if the connection ends.
  std::string receive() {
    auto end = std::string::npos;
    while ((end = pending_.find("\n\n")) == std::string::npos && read_more()) {
    }
    const auto size = end == std::string::npos ? pending_.size() : end + 2;
    const auto answer = pending_.substr(0, size);
    pending_.erase(0, size);
    return answer;
  }
  std::string ask(std::string_view text) {
    REQUIRE(send(text));
    return receive();
  }
  /// All until the connection ends.
  std::string receive_all() {
    while (read_more()) {
    }
    return std::exchange(pending_, {});
  }
  bool ended() {
    return receive_all().empty();
  }
  void end_sending() {
    ::shutdown(fd_.get(), SHUT_WR);
  }

private:
  bool read_more() {
    pollfd entry{fd_.get(), POLLIN, 0};
    if (::poll(&entry, 1, 20'000) != 1)
      FAIL("no answer comes, and the connection does not end");
    std::array<char, 65536> buffer{};
    const auto got = ::read(fd_.get(), buffer.data(), buffer.size());
    if (got > 0)
      pending_.append(buffer.data(), static_cast<std::size_t>(got));
    return got > 0;
  }

  file_descriptor fd_;
  std::string pending_;
};

/// A server before a fake overlay.
struct served {
  served() : server(start()) {
    overlay.on<report_request>(
      [this](const report_request& asked) -> caf::result<device_status> {
        log.push(asked);
        return status;
      });
  }

  uapi_actor start() {
    auto listener = unix_listener::open(path, 0600);
    REQUIRE(listener);
    return home.spawn<uapi_server>(loop.loop, std::move(*listener),
                                   overlay.handle());
  }
  /// A device with so many peers that its description fits into no buffer of
  /// the kernel.
  void grow() {
    overlay.run([this] {
      status.peers.resize(20'000);
      for (std::size_t i = 0; i < status.peers.size(); ++i)
        store_le(status.peers[i].public_key.bytes.data(), i + 1);
    });
  }

  temporary_folder files;
  std::string path = files.path() + "/weft0.sock";
  message_log log;
  device_status status;
  world home;
  test_loop loop = home.start_loop();
  fake<overlay_root_actor> overlay{home};
  uapi_actor server;
};

} // namespace

TEST_CASE_METHOD(served, "A client reads the state of the device") {
  overlay.run([this] {
    status.listen_port = 51820;
    status.private_key = private_key{unhex_secret(std::string(64, '4'))};
    status.peers.resize(2);
    status.peers[1].rx_bytes = 7;
  });
  client one(path);
  const auto answer = one.ask("get=1\n\n");
  CHECK(answer == format_uapi_status(status));
  CHECK(log.next<report_request>().secrets);
  CHECK(one.ask("get=1\nweft=1\n\n") == format_uapi_errno(EINVAL));
}

TEST_CASE_METHOD(served, "A client changes the device") {
  client one(path);
  CHECK(one.ask("set=1\nlisten_port=7\nreplace_peers=true\n\n")
        == "errno=0\n\n");
  const auto update = overlay.next<device_update>();
  CHECK(update.listen_port == 7);
  CHECK(update.replace_peers);
}

TEST_CASE_METHOD(served, "A change that fails is answered with its errno") {
  overlay.on<device_update>([](const device_update&) -> caf::result<void> {
    return make_error(EADDRINUSE, "the port is taken");
  });
  client one(path);
  CHECK(one.ask("set=1\nlisten_port=7\n\n") == format_uapi_errno(EADDRINUSE));
  overlay.on<report_request>(
    [](const report_request&) -> caf::result<device_status> {
      return caf::sec::runtime_error;
    });
  CHECK(one.ask("get=1\n\n") == format_uapi_errno(EIO));
}

TEST_CASE_METHOD(served, "One connection carries several requests, however "
                         "they are cut into pieces") {
  client one(path);
  for (int i = 0; i < 3; ++i)
    CHECK(one.ask("get=1\n\n") == format_uapi_status(status));
  for (const auto letter : std::string{"set=1\nfwmark=5\n\n"})
    REQUIRE(one.send(std::string(1, letter)));
  CHECK(one.receive() == "errno=0\n\n");
  REQUIRE(one.send("set=1\nfwmark=1\n\nget=1\n\nset=1\nfwmark=2\n\nge"));
  CHECK(one.receive() == "errno=0\n\n");
  CHECK(one.receive() == format_uapi_status(status));
  CHECK(one.receive() == "errno=0\n\n");
  CHECK(one.ask("t=1\n\n") == format_uapi_status(status));
  for (const auto mark : {5u, 1u, 2u})
    CHECK(overlay.next<device_update>().fwmark == mark);
}

TEST_CASE_METHOD(served, "Requests that make no sense are refused, and the "
                         "connection goes on") {
  client one(path);
  for (const auto& text :
       {std::string{"set=1\nunknown=1\n\n"}, std::string{"hello\n\n"},
        std::string{"set=1\nlisten_port=100000\n\n"},
        std::string{"\x01\xff\x00\x02\n\n", 6},
        std::string{"set=1\npublic_key=zz\n\n"}})
    CHECK(one.ask(text) == format_uapi_errno(EINVAL));
  CHECK(one.ask("get=1\n\n") == format_uapi_status(status));
  overlay.settle();
  CHECK(overlay.count<device_update>() == 0);
}

TEST_CASE_METHOD(served, "A request without end is cut off") {
  client one(path);
  const std::string much(std::size_t{1} << 20, 'x');
  auto open = true;
  for (int i = 0; i < 66 && open; ++i)
    open = one.send(much);
  const auto rest = one.receive_all();
  CHECK((rest.empty() || rest == format_uapi_errno(E2BIG)));
  CHECK(client(path).ask("get=1\n\n") == format_uapi_status(status));
}

TEST_CASE_METHOD(served, "Clients may leave in the middle of anything") {
  for (int i = 0; i < 20; ++i) {
    client(path).send("set=1\nlisten_po");
    client(path).send("get=1\n\n");
    std::ignore = client(path);
  }
  overlay.settle();
  CHECK(overlay.count<device_update>() == 0);
  // While the overlay is busy with its request:
  caf::typed_response_promise<device_status> promise;
  message_log asked;
  overlay.on<report_request>([&](const report_request&)
                               -> caf::result<device_status> {
    promise
      = overlay.self()
          ->make_response_promise<caf::typed_response_promise<device_status>>();
    asked.push(true);
    return promise;
  });
  {
    client leaving(path);
    REQUIRE(leaving.send("get=1\n\n"));
    asked.next<bool>();
  }
  CHECK(loop.falls_asleep());
  overlay.run([&] { promise.deliver(device_status{}); });
  CHECK(client(path).ask("set=1\n\n") == "errno=0\n\n");
}

TEST_CASE_METHOD(served, "Sixty-four clients are served at a time, and for one "
                         "more the one goes that was idle longest") {
  std::vector<std::unique_ptr<client>> all;
  for (std::size_t i = 0; i < uapi_server::max_connections; ++i)
    all.push_back(std::make_unique<client>(path));
  for (auto& one : all)
    CHECK(one->ask("set=1\n\n") == "errno=0\n\n");
  CHECK(all[0]->ask("set=1\n\n") == "errno=0\n\n"); // now 1 is the idlest
  client late(path);
  CHECK(late.ask("set=1\n\n") == "errno=0\n\n");
  CHECK(all[1]->ended());
  all.erase(all.begin() + 1);
  for (auto& one : all)
    CHECK(one->ask("set=1\n\n") == "errno=0\n\n");
}

TEST_CASE_METHOD(served, "Any number of clients that say nothing, or half of a "
                         "request, or do not read their answers, keep nobody "
                         "out") {
  grow();
  std::vector<std::unique_ptr<client>> crowd;
  for (std::size_t i = 0; i < 3 * uapi_server::max_connections; ++i) {
    crowd.push_back(std::make_unique<client>(path));
    if (i % 3 == 1)
      crowd.back()->send("set=1\nlisten_po");
    if (i % 3 == 2)
      crowd.back()->send("get=1\n\n");
  }
  CHECK(client(path).ask("set=1\n\n") == "errno=0\n\n");
}

TEST_CASE_METHOD(served, "A request whose empty line is missing is carried out "
                         "when the client ends, unless a line is cut off") {
  const auto ask = [&](std::string_view text) {
    client one(path);
    REQUIRE(one.send(text));
    one.end_sending();
    return one.receive_all();
  };
  CHECK(ask("set=1\nlisten_port=7\n") == "errno=0\n\n");
  CHECK(overlay.next<device_update>().listen_port == 7);
  CHECK(ask("get=1\n") == format_uapi_status(status));
  CHECK(ask("set=1\nfwmark=1\n\nset=1\nfwmark=2\n")
        == "errno=0\n\nerrno=0\n\n");
  CHECK(overlay.next<device_update>().fwmark == 1u);
  CHECK(overlay.next<device_update>().fwmark == 2u);
  CHECK(ask("set=1\nlisten_port=7\nfwmark=1") == format_uapi_errno(EINVAL));
  CHECK(ask("set=1") == format_uapi_errno(EINVAL));
  CHECK(ask("") == "");
  overlay.settle();
  CHECK(overlay.count<device_update>() == 0);
}

TEST_CASE_METHOD(served, "A slow reader gets a large answer whole, holds up "
                         "nobody, and costs nothing afterwards") {
  grow();
  const auto expected = format_uapi_status(status);
  client slow(path);
  REQUIRE(slow.send("get=1\n\n"));
  CHECK(loop.falls_asleep()); // the socket's buffer is full
  CHECK(client(path).ask("set=1\n\n") == "errno=0\n\n");
  CHECK((slow.receive() == expected));
  CHECK(loop.falls_asleep());
  CHECK((slow.ask("get=1\n\n") == expected));
}

TEST_CASE_METHOD(served, "A client that sends nothing more still gets its "
                         "whole answer, and then the end") {
  grow();
  const auto expected = format_uapi_status(status);
  client one(path);
  REQUIRE(one.send("get=1\n\nset=1\n\nget=1\n\n"));
  one.end_sending();
  CHECK(loop.falls_asleep());
  CHECK((one.receive_all() == expected + "errno=0\n\n" + expected));
}

TEST_CASE_METHOD(served, "A client that asks and does not read is answered no "
                         "further") {
  grow();
  client greedy(path);
  constexpr std::size_t count = 10;
  std::string requests;
  for (std::size_t i = 0; i < count; ++i)
    requests += "get=1\n\n";
  REQUIRE(greedy.send(requests));
  CHECK(eventually([&] { return log.count<report_request>() > 0; }));
  CHECK(loop.falls_asleep());
  CHECK(log.count<report_request>() == 1);
  const auto size = format_uapi_status(status).size();
  for (std::size_t i = 0; i < count; ++i)
    REQUIRE(greedy.receive().size() == size);
  CHECK(log.count<report_request>() == count);
}

TEST_CASE_METHOD(served, "A client that leaves in the middle of a large answer "
                         "costs nothing") {
  grow();
  {
    client leaving(path);
    REQUIRE(leaving.send("get=1\n\n"));
    CHECK(loop.falls_asleep());
  }
  CHECK(loop.falls_asleep());
  CHECK(client(path).ask("set=1\n\n") == "errno=0\n\n");
}

TEST_CASE_METHOD(served, "A server that ends removes its socket and its "
                         "connections") {
  client one(path);
  CHECK(one.ask("set=1\n\n") == "errno=0\n\n");
  caf::anon_send(server, shut_down{});
  CHECK(home.await_end(server) == caf::error{});
  CHECK(one.receive_all() == "errno=-19\n\n"); // the device is gone
  CHECK_FALSE(std::filesystem::exists(path));
}
