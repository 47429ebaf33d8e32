#include "platform/thread.hpp"

#include <pthread.h>

#include <csignal>
#include <latch>
#include <system_error>
#include <thread>
#include <vector>

namespace weft {

void enter_service_thread(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

result<void> check_threads(std::size_t count) {
  std::latch enough(1); // all of them are there at one time
  std::vector<std::jthread> started;
  started.reserve(count);
  result<void> outcome;
  try {
    for (std::size_t i = 0; i < count; ++i)
      started.emplace_back([&enough] {
        enter_service_thread("weft-probe");
        enough.wait();
      });
  } catch (const std::system_error& error) {
    outcome = tl::unexpected(make_system_error(
      error.code().value(), "Cannot start a thread",
      "A limit on processes or memory is reached (ulimit -u and -v, the "
      "container's or the unit's pids and memory)"));
  }
  enough.count_down();
  return outcome;
}

} // namespace weft
