#include "platform/memory.hpp"

#include "tests/catch.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

using namespace weft;

TEST_CASE("Only a limit on the address space keeps a process from more of it") {
  CHECK(check_address_space(std::size_t{1} << 60));
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_AS, &before) == 0);
  auto limit = before;
  limit.rlim_cur = std::min<rlim_t>(rlim_t{1} << 45, before.rlim_max);
  REQUIRE(::setrlimit(RLIMIT_AS, &limit) == 0);
  const auto little = check_address_space(std::size_t{1} << 20);
  const auto much = check_address_space(std::size_t{1} << 46);
  REQUIRE(::setrlimit(RLIMIT_AS, &before) == 0);
  CHECK(little);
  REQUIRE_FALSE(much);
  CHECK(much.error().code == ENOMEM);
  CHECK(much.error().message.find("ulimit -v") != std::string::npos);
}

#if defined(__has_feature)
#  if __has_feature(address_sanitizer)
#    define WEFT_OTHER_ALLOCATOR
#  endif
#endif
#if defined(__SANITIZE_ADDRESS__) || !defined(__GLIBC__)
#  define WEFT_OTHER_ALLOCATOR
#endif
#ifndef WEFT_OTHER_ALLOCATOR // of which nothing is to be said

namespace {

/// Bytes of this process that are in memory.
std::size_t resident() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0;
  std::size_t pages = 0;
  file >> all >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Pages that this thread had to wait for.
long faults() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt;
}

} // namespace

TEST_CASE(
  "A heap that was prepared is used without a fault a page, and what was "
  "not used can be given back") {
  constexpr std::size_t block = 2000;
  constexpr std::size_t count = 8'000; // 16 MB
  long used = 0;
  std::size_t prepared = 0;
  std::size_t left = 0;
  const auto before_all = resident();
  std::size_t set_aside = 0;
  std::thread([&] {
    std::vector<std::vector<std::byte>> blocks;
    blocks.reserve(count);
    {
      prepared_heap heap{std::size_t{48} << 20};
      set_aside = resident();
      heap.back_with_memory();
      heap.back_with_memory(); // again: nothing
      prepared = resident();
      const auto before = faults();
      for (std::size_t i = 0; i < count; ++i)
        blocks.emplace_back(block);
      used = faults() - before;
    }
    release_memory();
    left = resident();
  }).join();
  CHECK(set_aside < before_all + (std::size_t{4} << 20));
  CHECK(used < 400); // it is 4,000 pages
  CHECK(left + (std::size_t{16} << 20) < prepared);
}

TEST_CASE("Several threads back one heap with memory, and all of it is there "
          "when any of them returns") {
  constexpr std::size_t size = std::size_t{48} << 20;
  const auto before = resident();
  prepared_heap heap{size};
  std::vector<std::thread> threads;
  std::vector<std::size_t> seen(3);
  threads.reserve(seen.size());
  for (auto& each : seen)
    threads.emplace_back([&heap, &each] {
      heap.back_with_memory();
      each = resident();
    });
  for (auto& thread : threads)
    thread.join();
  for (const auto each : seen)
    CHECK(each > before + size / 10 * 9);
}

TEST_CASE("No heap is prepared of nothing") {
  prepared_heap none{0};
  none.back_with_memory();
  SUCCEED("it returns");
}

TEST_CASE("Memory that was freed goes back to the system when it is released") {
  constexpr std::size_t block = 2000;
  constexpr std::size_t count = 32'000; // 64 MB
  std::vector<std::vector<std::byte>> blocks;
  blocks.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    blocks.emplace_back(block);
  const std::vector<std::byte> last(block); // holds the heap's end
  blocks.clear();
  const auto before = resident();
  release_memory();
  CHECK(resident() + count * block / 2 < before);
}

#endif
