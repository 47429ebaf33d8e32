// Two sessions of one tunnel under arbitrary calls, datagrams and times:
// nothing crashes, no packet is delivered that was not sent or that was sent
// once and came twice, and what waits stays bounded.
//
// The input is a program of two-byte steps: what to do, and with what.
#include "tests/fuzz/support.hpp"
#include "tests/sim/network.hpp"

#include <set>

namespace {

using namespace weft;
using namespace weft::test;

class program {
public:
  program(const unsigned char* data, std::size_t size)
    : data_(data), size_(size) {
    net_.tracing = true;
    net_.rule = [this](const sent_datagram&) { return next_fate(); };
  }

  void run() {
    while (at_ + 2 <= size_) {
      const auto what = next();
      step(what, next());
      check();
      if (net_.trace.size() > 1000)
        return;
    }
    // Whatever happened, a network that works again carries packets.
    for (auto who : {net_.a, net_.b}) {
      auto& session = net_.session(who);
      session.set_preshared_key({});
      session.set_endpoint(net_[1 - who].address);
      net_[who].asleep = false;
    }
    net_.rule = nullptr;
    net_.run_for(100s);
    for (auto second = 0; second < 60; ++second) {
      net_.send_packet(net_.a);
      net_.run_for(1s);
    }
    const auto before = net_.received(net_.b).size();
    net_.send_packet(net_.a);
    net_.run_for(1s);
    check();
    require(net_.received(net_.b).size() == before + 1);
  }

private:
  unsigned char next() {
    return at_ < size_ ? data_[at_++] : static_cast<unsigned char>(0);
  }

  fate next_fate() {
    switch (weather_ % 4) {
      case 0:
        return fate{20ms};
      case 1:
        return fate{};
      case 2:
        return fate{20ms, 25ms};
      default:
        return fate{std::chrono::milliseconds(1 + weather_ * 40)};
    }
  }

  void step(unsigned char what, unsigned char argument) {
    const std::size_t who = argument & 1u;
    const unsigned number = argument >> 1u;
    auto& session = net_.session(who);
    const auto at = net_.at(who);
    switch (what % 13) {
      case 0:
        net_.send_packet(who, 12 + static_cast<std::size_t>(number) * 20);
        break;
      case 1:
        net_.run_for(std::chrono::milliseconds(number * 40));
        break;
      case 2:
        net_.run_for(std::chrono::seconds(number * 5));
        break;
      case 3:
        session.initiate_handshake(at);
        break;
      case 4:
        session.set_persistent_keepalive(std::chrono::seconds(number % 30), at);
        break;
      case 5: {
        preshared_key psk;
        psk.data()[0] = static_cast<std::byte>(number % 2);
        session.set_preshared_key(psk);
        break;
      }
      case 6:
        session.set_identity(number % 2 == 0 ? net_[who].self() : nullptr);
        session.set_identity(net_[who].self());
        session.start(at);
        break;
      case 7:
        weather_ = argument;
        break;
      case 8:
        replay(who, static_cast<std::size_t>(number));
        break;
      case 9:
        garbage(who, static_cast<std::size_t>(number));
        break;
      case 10:
        session.handle_deadlines(
          {at.now + std::chrono::seconds(number) - 60s, at.wall});
        break;
      case 11:
        net_[who].address = address_of(1 + who + 2 * (number % 4u));
        session.forget_source();
        break;
      default:
        net_[who].under_load = number % 2 == 1;
    }
    net_.collect(who);
  }

  /// Sends an old datagram again, perhaps with a byte changed.
  void replay(std::size_t to, std::size_t back) {
    if (net_.trace.empty())
      return;
    const auto& old
      = net_.trace[net_.trace.size() - 1 - back % net_.trace.size()];
    auto content = old.content;
    const auto place = next();
    const auto change = next();
    content[place % content.size()] ^= static_cast<std::byte>(change);
    net_.inject(old.source, net_[to].address, content);
    net_.run_for(0s);
  }

  void garbage(std::size_t to, std::size_t length) {
    bytes content;
    for (std::size_t i = 0; i < length; ++i)
      content.push_back(static_cast<std::byte>(next()));
    const auto type = wire::classify(content);
    auto& session = net_.session(to);
    const network_path from{address_of(200), std::nullopt};
    // Straight into the session, without the checks in front of it.
    if (type && *type != message_type::initiation)
      require(session.receive(content, from, net_.at(to)).status
              == peer_session::open_status::dropped);
    require(!session.path() || session.path()->remote != from.remote);
  }

  void check() {
    for (auto who : {net_.a, net_.b}) {
      const auto& got = net_.received(who);
      auto& known = known_[who];
      while (known.size() < got.size())
        require(known.insert(got[known.size()]).second);
      require(peer_session_access::staged(net_.session(who)) <= 128);
      require(peer_session_access::staged_bytes(net_.session(who))
              <= 256 * 1024);
    }
  }

  const unsigned char* data_;
  std::size_t size_;
  std::size_t at_ = 0;
  unsigned weather_ = 0;
  pair_network net_;
  std::array<std::set<std::uint64_t>, 2> known_; ///< packets received
};

} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  program(data, size).run();
  return 0;
}
