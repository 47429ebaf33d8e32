#include "tests/stores/support.hpp"

#include "platform/store/sqlite_store.hpp"
#include "tests/stores/etcd_cluster.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace weft::test {

host_clock& real_clock() {
  static host_clock clock;
  return clock;
}

system_random& real_random() {
  static system_random random;
  return random;
}

request_id any_request() {
  request_id request{};
  real_random().fill(request);
  return request;
}

store_change
put(const std::string& key, const std::string& value, store_revision changed) {
  return {any_request(), {{key, changed}}, {{key, value}}};
}

store_change remove(const std::string& key, store_revision changed) {
  return {any_request(), {{key, changed}}, {{key, std::nullopt}}};
}

std::string output_until_killed(std::chrono::microseconds time,
                                const std::function<int(int output)>& action) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  file_descriptor from{ends[0]};
  file_descriptor to{ends[1]};
  const auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0)
    ::_exit(action(to.get()));
  to.reset();
  ::usleep(static_cast<useconds_t>(time.count()));
  REQUIRE(::kill(child, SIGKILL) == 0);
  std::string written;
  std::array<char, 4096> bytes{};
  for (ssize_t size = 0;
       (size = ::read(from.get(), bytes.data(), bytes.size())) > 0;)
    written.append(bytes.data(), static_cast<std::size_t>(size));
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  return written;
}

store_revision make(directory_store& store, const store_change& change) {
  const auto outcome = must(store.change(change));
  REQUIRE(outcome.applied);
  return outcome.at;
}

std::vector<store_event> events_of(store_watch& watch, std::size_t count) {
  std::vector<store_event> events;
  const auto deadline = boot_now() + std::chrono::minutes{1};
  while (events.size() < count && boot_now() < deadline) {
    auto news = watch.wait(std::chrono::seconds{1});
    if (!news && news.error().failure == store_failure::unavailable)
      continue;
    for (auto& event : must(std::move(news)).events)
      events.push_back(std::move(event));
  }
  return events;
}

std::vector<std::string>
listed(directory_store& store, const std::string& prefix, std::size_t most) {
  std::vector<std::string> all;
  store_range range{prefix, {}, 0, most};
  for (bool more = true; more;) {
    const auto page = must(store.list(range));
    CHECK(page.entries.size() <= most);
    CHECK((range.at == 0 || page.at == range.at));
    for (const auto& entry : page.entries)
      all.push_back(entry.key + '=' + entry.value);
    more = page.more;
    if (more)
      range.after = page.entries.back().key;
    range.at = page.at;
  }
  return all;
}

void with_each_store(const std::function<void(directory_store&)>& trial) {
  {
    INFO("in SQLite");
    const temporary_folder folder;
    const auto store = must(sqlite_store::open({folder.path() + "/s", "alpha"},
                                               real_clock(), real_random()));
    trial(*store);
  }
  if (have_etcd()) {
    INFO("in etcd");
    const etcd_cluster cluster;
    trial(*cluster.open());
  }
}

} // namespace weft::test
