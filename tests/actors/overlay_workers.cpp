// A whole overlay whose cipher workers are the test's.
#include "actors/overlay/overlay.hpp"
#include "actors/packets/cipher_worker.hpp"
#include "tests/actors/embedded.hpp"
#include "tests/actors/leaks.hpp"
#include "tests/actors/line_sink.hpp"

#include <sys/resource.h>

using namespace weft;
using namespace weft::test;

namespace {

/// Between two others, its address is 10.0.0.1.
struct between_two {
  void start(const cipher_worker_actor& worker, io_loop_ptr loop,
             const shared_worker_state& state) {
    auto opened = std::make_shared<overlay_resources>();
    opened->interface = "weft1";
    opened->mtu = 1420;
    auto sockets = open_udp_sockets(*parse_endpoint("127.0.0.1:0"), 0);
    REQUIRE(sockets);
    opened->sockets = std::move(*sockets);
    opened->control_loop = start_loop("weft-control");
    opened->handshake_loop = start_loop("weft-handshake");
    opened->packet_loop = start_loop("weft-packets-0");
    opened->cipher_threads.push_back({std::move(loop), worker});
    opened->desk = std::make_shared<cipher_desk>(
      std::vector<cipher_desk::worker>{{worker, state}});
    opened->port = home.spawn<packet_port>(opened->packet_loop, opened->mtu,
                                           packet_consumer{}, opened->desk);
    port = opened->port;
    overlay_options options;
    auto& interface = options.config.interface;
    interface.private_key = generate_private_key(random);
    peer_config self;
    self.public_key = derive_public_key(interface.private_key);
    self.allowed_ips = {*parse_ip_prefix("10.0.0.1")};
    options.log = std::make_shared<spdlog::logger>("test", lines);
    const auto control = opened->control_loop;
    root = home.spawn<overlay>(control, std::move(options), std::move(opened));
    home.ends_with_test(root);
    for (auto* other : {&first, &second}) {
      other->options.config.peers = {self};
      other->start({});
      home.ask<config_changes>(root, add_peer{other->as_peer()});
    }
    send(first, 1);
    receive_last(first, 1);
    send(second, 1);
    receive_last(second, 1); // there are sessions
  }

  io_loop_ptr start_loop(const std::string& name) {
    auto started = io_loop::start(home.system(), name);
    REQUIRE(started);
    return *started;
  }
  void send(const embedded_overlay& to, std::size_t count) {
    const std::uint8_t number = &to == &first ? 2 : 3;
    std::vector<bytes> packets;
    for (std::size_t i = 0; i < count; ++i)
      packets.push_back(numbered_packet(1, number, ++sent, 1300));
    CHECK(home.ask<std::uint32_t>(port, send_packets{batch_of(packets)})
          == count);
  }
  /// Those that were sent last have come, in their order.
  void receive_last(embedded_overlay& at, std::uint32_t count) {
    receive(at, sent - count, count);
  }
  static void
  receive(embedded_overlay& at, std::uint32_t behind, std::uint32_t count) {
    for (std::uint32_t i = 1; i <= count; ++i)
      REQUIRE(load_be<std::uint32_t>(at.next().data() + 28) == behind + i);
  }
  core_use cores() {
    return home.ask<device_status>(root, report_request{}).cores;
  }

  deterministic_random random{53};
  world home;
  std::shared_ptr<line_sink> lines = std::make_shared<line_sink>();
  embedded_overlay first{home, random, 2};
  embedded_overlay second{home, random, 3};
  packet_port_actor port;
  overlay_root_actor root;
  std::uint32_t sent = 0;
};

shared_worker_state state_of(worker_state what) {
  return std::make_shared<std::atomic<worker_state>>(what);
}

/// Of this process, while it is there.
class descriptor_limit {
public:
  explicit descriptor_limit(std::size_t most) {
    ::getrlimit(RLIMIT_NOFILE, &former_);
    const rlimit low{most, former_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &low);
  }
  descriptor_limit(const descriptor_limit&) = delete;
  descriptor_limit& operator=(const descriptor_limit&) = delete;
  ~descriptor_limit() {
    ::setrlimit(RLIMIT_NOFILE, &former_);
  }

private:
  rlimit former_{};
};

} // namespace

TEST_CASE_METHOD(between_two, "A worker that is stuck holds up the peer whose "
                              "packets it has, and no other") {
  fake<cipher_worker_actor> worker(home);
  start(worker.handle(), start_loop("weft-cipher-0"),
        state_of(worker_state::ready));
  constexpr std::uint32_t many = 400; // more than the worker has places for
  const auto behind = sent;
  send(first, many);
  const auto stuck = worker.next<cipher_work>();
  auto begun = stuck.job->begin();
  REQUIRE(begun);
  for (std::uint32_t i = 0; i < 20; ++i) {
    const auto count = 1 + i % 2 * 60; // few, and a full batch
    send(second, count);
    receive_last(second, count);
  }
  CHECK(first.log->count<bytes>() == 0);
  begun->perform();
  for (std::size_t i = 1; i < cipher_desk::jobs_a_worker; ++i) {
    const auto next = worker.next<cipher_work>();
    if (auto other = next.job->begin())
      other->perform();
  }
  receive(first, behind, many);
}

TEST_CASE_METHOD(between_two, "An overlay whose worker fails says so, and goes "
                              "on without it") {
  const auto state = state_of(worker_state::starting);
  auto loop = start_loop("weft-cipher-0");
  const auto worker = home.spawn<cipher_worker>(loop, state);
  start(worker, std::move(loop), state);
  CHECK(eventually([&] { return cores().in_use == 2; }));
  send(first, 200);
  receive_last(first, 200);
  home.end(worker, caf::exit_reason::unhandled_exception);
  CHECK(eventually(
    [&] { return lines->count("a thread that seals packets failed") == 1; }));
  CHECK(cores().in_use == 1);
  CHECK(cores().failed == 1);
  send(first, 200);
  receive_last(first, 200);
}

TEST_CASE("An overlay that cannot have all of its threads says so, and has "
          "fewer") {
  deterministic_random random{54};
  world home;
  const auto start_with = [&](std::size_t cores, std::uint8_t number,
                              const std::shared_ptr<line_sink>& lines) {
    auto made = std::make_unique<embedded_overlay>(home, random, number);
    made->options.cores = cores;
    made->options.log = std::make_shared<spdlog::logger>("test", lines);
    made->start({});
    return made;
  };
  const auto lines = std::make_shared<line_sink>();
  const auto before = open_descriptors();
  const auto alone = start_with(1, 1, lines);
  const auto needed = open_descriptors() - before;
  CHECK(lines->count("threads seal packets") == 0);
  {
    const descriptor_limit few{open_descriptors() + needed + 6};
    const auto other = start_with(16, 2, lines);
    CHECK(lines->count("of 15 threads seal packets") == 1);
    CHECK(other->status().cores.in_use < 16);
    other->stop();
  }
}
