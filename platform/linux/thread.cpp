#include "platform/thread.hpp"

#include <pthread.h>

#include <csignal>

namespace weft {

void enter_service_thread(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

} // namespace weft
