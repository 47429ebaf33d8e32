// weft_members_bench: what members cost a directory: memory of each, the
// processor while nothing happens, and how long a change takes to all of them.
// The core alone, without TLS and sockets; virtual time, real work.
#include "platform/random.hpp"
#include "protocol/network/directory.hpp"
#include "protocol/network/member_session.hpp"

#include <malloc.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <string>
#include <tuple>
#include <vector>

namespace {

using namespace weft;
using namespace std::chrono_literals;

constexpr std::size_t certificate_bytes = 700;
constexpr std::size_t record_bytes = 260;

/// Of this process.
std::chrono::nanoseconds processor_time() {
  timespec spent{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
  return std::chrono::seconds(spent.tv_sec)
         + std::chrono::nanoseconds(spent.tv_nsec);
}

std::size_t memory_in_use() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

double milliseconds(std::chrono::nanoseconds span) {
  return std::chrono::duration<double, std::milli>(span).count();
}

struct measurement {
  std::size_t members = 0;
  double item_bytes = 0;       ///< for each member, of what is known of it
  double connection_bytes = 0; ///< for each member
  double idle = 0;             ///< of one core, in percent
  double change_ms = 0;        ///< from the store's news until handed to all
  double change_cpu_ms = 0;
  double first_ms = 0; ///< for one member that has nothing yet, both sides
  double first_mib = 0;
};

class bench {
public:
  explicit bench(std::size_t members)
    : members_(members), core_({root(), {}, members + 10}, judge(), random_) {
  }

  measurement run() {
    measurement result;
    result.members = members_;
    const auto before = memory_in_use();
    core_.opened({}, at_);
    load();
    const auto loaded = memory_in_use();
    connect_all();
    const auto connected = memory_in_use();
    const auto count = static_cast<double>(members_);
    result.item_bytes = static_cast<double>(loaded - before) / count;
    result.connection_bytes = static_cast<double>(connected - loaded) / count;
    result.idle = idle_percent();
    measure_change(result);
    measure_first(result);
    return result;
  }

private:
  static root_contents root() {
    return {network_id{}, "bench", {*parse_ip_prefix("10.0.0.0/8")}};
  }
  static item_judge judge() {
    item_judge none;
    none.issuer = [](auto) -> accepted<verified_issuer> {
      return refuse(refusal::bad_signature, "none");
    };
    none.member = [](auto, auto) -> accepted<verified_certificate> {
      return refuse(refusal::bad_signature, "none");
    };
    return none;
  }
  static member_id id_of(std::size_t number) {
    member_id id;
    store_be(id.bytes.data(), static_cast<std::uint64_t>(number));
    return id;
  }
  std::string random_text(std::size_t size) {
    byte_vector bytes(size);
    random_.fill(bytes);
    std::string text;
    for (const auto byte : bytes)
      text += static_cast<char>(std::to_integer<unsigned char>(byte));
    return text;
  }
  void load() {
    core_.take_steps();
    for (std::size_t i = 0; i < members_; ++i) {
      store_page page{{}, ++revision_, i + 1 < members_};
      for (const auto& [kind, size] :
           {std::pair(item_kind::certificate, certificate_bytes),
            std::pair(item_kind::record, record_bytes)})
        page.entries.push_back({store_key_of(item_key(kind, id_of(i))),
                                random_text(size), revision_});
      core_.listed(page, at_);
      core_.take_steps();
    }
  }
  void say(directory::connection from, const byte_vector& frame) {
    core_.received(from, const_byte_span(frame).subspan(4), at_);
  }
  /// Carries out nothing; what was to be sent.
  std::size_t send_all() {
    std::size_t frames = 0;
    for (const auto& each : core_.take_steps()) {
      const auto* sent = std::get_if<directory::send_frame>(&each);
      if (sent == nullptr)
        continue;
      ++frames;
      core_.queued(sent->to, 0, at_);
    }
    return frames;
  }
  void connect_all() {
    const auto hello = encode_frame(member_message{member_hello{}});
    const auto compare
      = encode_frame(member_message{compare_items{core_.items().digests()}});
    for (std::size_t i = 0; i < members_; ++i) {
      verified_certificate member;
      member.contents.id = id_of(i);
      member.contents.name = "member-" + std::to_string(i);
      member.issuer = "first";
      member.until = latest_network_time;
      core_.connected(i, member, at_);
      say(i, hello);
      say(i, compare);
      send_all();
    }
  }
  /// A minute in which all say that they are there.
  double idle_percent() {
    const auto ping = encode_frame(member_message{members_ping{}});
    const auto start = processor_time();
    for (int second = 0; second < 60; ++second) {
      for (std::size_t i = 0; i < members_; ++i) {
        if (i % 15 == static_cast<std::size_t>(second % 15))
          say(i, ping);
      }
      pass(1s);
    }
    return 100 * milliseconds(processor_time() - start) / 60'000;
  }
  void pass(duration span) {
    const auto end = at_.now + span;
    while (core_.next_time() <= end) {
      const auto next = std::max(core_.next_time(), at_.now);
      at_.wall += next - at_.now;
      at_.now = next;
      core_.on_time(at_);
      send_all();
    }
    at_.wall += end - at_.now;
    at_.now = end;
  }
  void measure_change(measurement& result) {
    const auto start = processor_time();
    const auto key = store_key_of(item_key(item_kind::record, id_of(0)));
    ++revision_;
    core_.told(store_news{{{revision_, key, random_text(record_bytes)}},
                          revision_},
               at_);
    std::size_t told = 0;
    const auto begun = at_.now;
    while (told < members_) {
      at_.now = std::max(core_.next_time(), at_.now);
      core_.on_time(at_);
      told += send_all();
    }
    const auto spent = processor_time() - start;
    result.change_cpu_ms = milliseconds(spent);
    result.change_ms = milliseconds(at_.now - begun + spent);
  }
  /// One that knows nothing gets everything.
  void measure_first(measurement& result) {
    const auto start = processor_time();
    std::size_t bytes = 0;
    member_session session(id_of(0), {{"one", 1}}, random_);
    session.on_time(at_.now);
    session.connected(1, at_.now);
    const directory::connection number = members_ + 1;
    verified_certificate member;
    member.contents.id = id_of(members_ + 1);
    member.until = latest_network_time;
    core_.connected(number, member, at_);
    for (bool more = true; more;) {
      more = false;
      for (const auto& each : session.take_steps()) {
        const auto* sent = std::get_if<member_session::send_frame>(&each);
        if (sent == nullptr)
          continue;
        more = true;
        say(number, sent->frame);
      }
      for (const auto& each : core_.take_steps()) {
        const auto* sent = std::get_if<directory::send_frame>(&each);
        if (sent == nullptr)
          continue;
        bytes += sent->frame->size();
        session.received(1, *sent->frame, at_.now);
        core_.queued(number, 0, at_);
      }
      at_.now += 20ms;
    }
    if (session.told().size() != core_.items().size())
      throw std::runtime_error("the member does not have everything");
    result.first_ms = milliseconds(processor_time() - start);
    result.first_mib = static_cast<double>(bytes) / 1024 / 1024;
  }

  std::size_t members_;
  system_random random_;
  instant at_{time_point{1h}, wall_time{std::chrono::seconds(1'790'000'000)}};
  store_revision revision_ = 0;
  directory core_;
};

} // namespace

int main(int argc, char** argv) {
  try {
    std::vector<std::size_t> counts;
    for (int i = 1; i < argc; ++i)
      counts.push_back(std::stoul(argv[i]));
    if (counts.empty())
      counts = {1'000, 10'000};
    std::cout
      << "| members | what is known, each | connection, each | idle "
         "| a change with all | of it CPU | all to a new one | of it CPU |\n"
         "|--:|--:|--:|--:|--:|--:|--:|--:|\n";
    for (const auto count : counts) {
      const auto each = bench(count).run();
      std::printf("| %zu | %.1f KiB | %.2f KiB | %.2f %% of a core | %.0f ms "
                  "| %.1f ms | %.1f MiB | %.0f ms |\n",
                  each.members, each.item_bytes / 1024,
                  each.connection_bytes / 1024, each.idle, each.change_ms,
                  each.change_cpu_ms, each.first_mib, each.first_ms);
      std::ignore = std::fflush(stdout);
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "weft_members_bench: " << error.what() << '\n';
    return 1;
  }
}
