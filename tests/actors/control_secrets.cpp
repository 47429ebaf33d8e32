// What of keys that came by message is left in memory.
#include "actors/overlay/start_overlay.hpp"
#include "platform/random.hpp"
#include "protocol/base/wipe.hpp"
#include "tests/actors/control_support.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <fstream>
#include <sstream>

using namespace weft;
using namespace weft::test;

namespace {

/// A text to be looked for that is not itself in memory.
class hidden_text {
public:
  explicit hidden_text(std::string&& text) : masked_(text.size(), '\0') {
    for (std::size_t i = 0; i < text.size(); ++i)
      masked_[i] = static_cast<char>(text[i] ^ mask);
    wipe_text(text);
  }
  std::size_t count_in(std::span<const char> bytes) const {
    std::size_t found = 0;
    for (std::size_t at = 0; at + masked_.size() <= bytes.size(); ++at) {
      std::size_t same = 0;
      while (same < masked_.size()
             && static_cast<char>(bytes[at + same] ^ mask) == masked_[same])
        ++same;
      found += same == masked_.size() ? 1U : 0U;
    }
    return found;
  }
  std::size_t size() const {
    return masked_.size();
  }

private:
  static constexpr char mask = 0x55;
  std::string masked_;
};

/// How often it is in what this process can write to.
std::size_t times_in_memory(const hidden_text& text) {
  constexpr std::size_t piece = std::size_t{1} << 20;
  void* const window = ::mmap(nullptr, piece, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(window != MAP_FAILED);
  const std::span<char> bytes{static_cast<char*>(window), piece};
  const auto own = reinterpret_cast<std::uintptr_t>(window);
  const file_descriptor memory{::open("/proc/self/mem", O_RDONLY | O_CLOEXEC)};
  REQUIRE(memory);
  std::size_t found = 0;
  std::ifstream maps{"/proc/self/maps"};
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words{line};
    std::uintptr_t from = 0;
    std::uintptr_t to = 0;
    char dash = 0;
    std::string rights;
    words >> std::hex >> from >> dash >> to >> rights;
    if (!rights.starts_with("rw"))
      continue;
    for (auto at = from; at < to; at += piece - text.size()) {
      if (at + piece > own && at < own + piece) {
        at = own + text.size(); // and on behind it
        continue;
      }
      const auto got = ::pread(memory.get(), bytes.data(),
                               std::min<std::size_t>(piece, to - at),
                               static_cast<off_t>(at));
      if (got <= 0)
        break;
      found += text.count_in(bytes.first(static_cast<std::size_t>(got)));
      wipe_text(bytes);
    }
  }
  ::munmap(window, piece);
  return found;
}

} // namespace

TEST_CASE("No text of a key that came by message is left in memory") {
  system_random random;
  preshared_key shared;
  random.fill(shared.bytes());
  const hidden_text needle{to_base64(shared.bytes())};
  REQUIRE(times_in_memory(needle) == 0);
  world home;
  temporary_folder folder;
  overlay_options options;
  options.device = use_packet_port{};
  options.config.interface.listen.port = 0;
  options.log
    = std::make_shared<spdlog::logger>("test", std::make_shared<line_sink>());
  auto running = start_overlay(home.system(), std::move(options));
  REQUIRE(running);
  gateway_options served;
  served.interface = "weft0";
  served.socket_path = folder.path() + "/weft0.sock";
  served.log
    = std::make_shared<spdlog::logger>("test", std::make_shared<line_sink>());
  auto gateway = start_gateway(home.system(), running->actor, served);
  REQUIRE(gateway);
  {
    program client;
    auto overlay = client.connect(local_target{served.socket_path});
    add_peer one;
    one.peer.public_key = key_with(7);
    one.peer.preshared_key = shared;
    CHECK(client.ask<config_changes>(overlay, one).peers_added == 1);
    node_config whole;
    whole.interface.name = running->interface;
    whole.interface.listen.port = 0;
    whole.peers = {one.peer};
    std::ignore = client.ask<config_changes>(overlay, apply_config{whole});
    CHECK(client.ask<config_changes>(overlay, remove_peer{key_with(7)})
            .peers_removed
          == 1);
    CHECK(times_in_memory(needle) == 0);
  }
  CHECK(times_in_memory(needle) == 0);
  caf::anon_send(*gateway, shut_down{});
  CHECK(home.await_end(*gateway) == caf::exit_reason::user_shutdown);
  caf::anon_send(running->actor, shut_down{});
  CHECK(home.await_end(running->actor) == caf::exit_reason::user_shutdown);
  CHECK(times_in_memory(needle) == 0);
}
