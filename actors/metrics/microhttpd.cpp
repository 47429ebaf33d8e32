#include "actors/metrics/microhttpd.hpp"

#include "actors/metrics/start_metrics.hpp"
#include "platform/loaded_library.hpp"

#include <cerrno>
#include <stdexcept>

namespace weft {

namespace {

result<microhttpd_functions> find_functions() {
  auto library = loaded_library::load("libmicrohttpd.so.12", "libmicrohttpd12");
  if (!library)
    return tl::unexpected(library.error());
  microhttpd_functions all{};
  library->find(all.start_daemon, "MHD_start_daemon")
    .find(all.stop_daemon, "MHD_stop_daemon")
    .find(all.get_daemon_info, "MHD_get_daemon_info")
    .find(all.run, "MHD_run")
    .find(all.get_timeout, "MHD_get_timeout")
    .find(all.add_connection, "MHD_add_connection")
    .find(all.get_connection_info, "MHD_get_connection_info")
    .find(all.suspend_connection, "MHD_suspend_connection")
    .find(all.resume_connection, "MHD_resume_connection")
    .find(all.create_response_from_buffer, "MHD_create_response_from_buffer")
    .find(all.add_response_header, "MHD_add_response_header")
    .find(all.queue_response, "MHD_queue_response")
    .find(all.destroy_response, "MHD_destroy_response");
  return library->check().map([&] { return all; });
}

} // namespace

const microhttpd_functions& microhttpd() {
  // If this throws, whoever asks next tries again.
  static const microhttpd_functions all = [] {
    auto found = find_functions();
    if (!found)
      throw std::runtime_error(found.error().message);
    return *found;
  }();
  return all;
}

result<void> load_microhttpd() {
  try {
    std::ignore = microhttpd();
    return {};
  } catch (const std::runtime_error& why) {
    return tl::unexpected(system_error{ELIBACC, why.what()});
  }
}

} // namespace weft
