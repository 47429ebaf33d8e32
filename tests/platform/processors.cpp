#include "platform/processors.hpp"

#include "platform/run_delay.hpp"
#include "tests/catch.hpp"
#include "tests/platform/support.hpp"

#include <sched.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

/// A folder of cgroups.
struct cgroups {
  temporary_folder folder;

  void set(const std::string& group, const std::string& file,
           const std::string& text) {
    std::filesystem::create_directories(folder.path() + '/' + group);
    write_file(folder.path() + '/' + group + '/' + file, text);
  }
  std::optional<double> quota(std::string_view memberships) const {
    return cgroup_quota(memberships, folder.path());
  }
};

constexpr auto in_service = "0::/system.slice/weft.service\n";

} // namespace

TEST_CASE("The quota of a cgroup is told in processors") {
  cgroups host;
  CHECK_FALSE(host.quota(in_service));
  host.set("system.slice/weft.service", "cpu.max", "max 100000\n");
  CHECK_FALSE(host.quota(in_service));
  host.set("system.slice/weft.service", "cpu.max", "50000 100000\n");
  CHECK(host.quota(in_service) == 0.5);
  host.set("system.slice/weft.service", "cpu.max", "250000 100000\n");
  CHECK(host.quota(in_service) == 2.5);
}

TEST_CASE("The quota of a cgroup above counts where it is lower") {
  cgroups host;
  host.set("system.slice/weft.service", "cpu.max", "400000 100000\n");
  host.set("system.slice", "cpu.max", "150000 100000\n");
  CHECK(host.quota(in_service) == 1.5);
  // A container's own is the root of what it sees.
  host.set("", "cpu.max", "20000 100000\n");
  CHECK(host.quota(in_service) == 0.2);
  CHECK(host.quota("0::/\n") == 0.2);
}

TEST_CASE("Quotas of cgroups of version 1 count as well") {
  cgroups host;
  constexpr auto membership = "3:memory:/other\n4:cpu,cpuacct:/docker/abc\n";
  host.set("cpu,cpuacct/docker/abc", "cpu.cfs_quota_us", "-1\n");
  host.set("cpu,cpuacct/docker/abc", "cpu.cfs_period_us", "100000\n");
  CHECK_FALSE(host.quota(membership));
  host.set("cpu,cpuacct/docker/abc", "cpu.cfs_quota_us", "300000\n");
  CHECK(host.quota(membership) == 3.0);
  // In a container that path does not exist.
  cgroups container;
  container.set("cpu", "cpu.cfs_quota_us", "50000\n");
  container.set("cpu", "cpu.cfs_period_us", "100000\n");
  CHECK(container.quota(membership) == 0.5);
  CHECK_FALSE(container.quota("3:memory:/\n5:cpuset:/docker/abc\n"));
}

TEST_CASE("Memberships that cannot be read are no quota") {
  const cgroups host;
  for (const auto* text : {"", "\n", "0", "0:", "::", "0::", "4:cpu"})
    CHECK_FALSE(host.quota(text));
}

TEST_CASE("A process may keep no more processors busy than it may run on") {
  CHECK(usable_processors() >= 1);
  CHECK(in_child([] {
          cpu_set_t one;
          CPU_ZERO(&one);
          CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
          if (::sched_setaffinity(0, sizeof one, &one) != 0)
            return 2;
          return usable_processors() == 1 ? 0 : 1;
        })
        == 0);
}

TEST_CASE("A thread is kept off a processor where another is left") {
  const auto comes = [](const auto& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!condition() && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(1ms);
    return condition();
  };
  std::atomic<int> number{0};
  std::atomic<bool> ends{false};
  std::atomic<int> runs_on{-1};
  std::jthread busy{[&] {
    number = own_thread_number();
    while (!ends)
      runs_on = present_processor();
  }};
  CHECK(comes([&] { return number != 0 && runs_on >= 0; }));
  cpu_set_t allowed;
  REQUIRE(::sched_getaffinity(0, sizeof allowed, &allowed) == 0);
  for (int round = 0; round < 3; ++round) {
    const int from = runs_on;
    const auto moves = keep_off_processor(number, from);
    CHECK(moves == (CPU_COUNT(&allowed) > 1));
    CHECK(comes([&] { return !moves || runs_on != from; }));
  }
  ends = true;
  busy.join();
  // The kernel is a little behind.
  CHECK(comes([&] { return !keep_off_processor(number, 0); }));
}
