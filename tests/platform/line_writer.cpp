#include "platform/line_writer.hpp"

#include "tests/platform/support.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <optional>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

std::string lost(std::size_t count) {
  return std::to_string(count) + " lost\n";
}

struct full_pipe {
  full_pipe() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    reading = file_descriptor{ends[0]};
    writing = file_descriptor{ends[1]};
    // The writer's thread may outlive the test: its descriptor stays open.
    thread_end = ::fcntl(writing.get(), F_DUPFD_CLOEXEC, 3);
    REQUIRE(thread_end >= 0);
    ::fcntl(reading.get(), F_SETPIPE_SZ, 4096);
  }
  std::string read() const {
    std::array<char, 4096> room{};
    const auto got = ::read(reading.get(), room.data(), room.size());
    return {room.data(), got < 0 ? 0 : static_cast<std::size_t>(got)};
  }

  file_descriptor reading;
  file_descriptor writing;
  int thread_end = -1;
};

} // namespace

TEST_CASE("lines come out in their order, and the last ones are waited for") {
  const full_pipe pipe;
  {
    line_writer writer{pipe.thread_end, lost};
    for (int i = 0; i < 100; ++i)
      writer.add(std::to_string(i) + '\n');
  }
  std::string wanted;
  for (int i = 0; i < 100; ++i)
    wanted += std::to_string(i) + '\n';
  CHECK(pipe.read() == wanted);
}

TEST_CASE("a reader who does not read holds nobody up, and hears later what "
          "was lost") {
  const full_pipe pipe;
  std::optional<line_writer> writer;
  writer.emplace(pipe.thread_end, lost);
  const std::string line = std::string(1023, 'x') + '\n';
  const auto fits = line_writer::most_waiting / line.size();
  for (std::size_t i = 0; i < 3 * fits; ++i)
    writer->add(line);
  CHECK_FALSE(writer->drain(1ms));
  std::string all;
  while (all.find("lost") == std::string::npos) {
    REQUIRE(await_readable(pipe.reading.get()));
    all += pipe.read();
  }
  CHECK(writer->drain(10s));
  const auto end = all.rfind('x') + 2;
  const auto told = std::stoul(all.substr(end));
  CHECK(all.substr(end) == lost(told));
  CHECK(end / line.size() + told == 3 * fits);
  // As before.
  writer->add("again\n");
  CHECK(writer->drain(10s));
  CHECK(pipe.read() == "again\n");
}

TEST_CASE("the end of a writer whose lines are not read takes a moment at "
          "most") {
  const full_pipe pipe;
  std::optional<line_writer> writer;
  writer.emplace(pipe.thread_end, lost);
  for (int i = 0; i < 100; ++i)
    writer->add(std::string(1023, 'x') + '\n');
  writer.reset(); // hangs for ever if it waits for the reader
  CHECK(pipe.read().size() == 4096);
}

TEST_CASE("a full disk loses lines and nothing else") {
  const file_descriptor full{::open("/dev/full", O_WRONLY | O_CLOEXEC)};
  REQUIRE(full);
  line_writer writer{full.get(), lost};
  for (int i = 0; i < 100; ++i)
    writer.add("a line\n");
  CHECK(writer.drain(10s));
}
