#include "actors/metrics/microhttpd.hpp"

#include "platform/loaded_library.hpp"

#include <cerrno>

namespace weft {

namespace {

constexpr auto name = "libmicrohttpd.so.12";

result<microhttpd_functions> find_functions() {
  const auto library = loaded_library::load(name);
  if (!library)
    return tl::unexpected(library.error());
  microhttpd_functions all{};
  const bool found
    = library->find(all.start_daemon, "MHD_start_daemon")
      && library->find(all.stop_daemon, "MHD_stop_daemon")
      && library->find(all.get_daemon_info, "MHD_get_daemon_info")
      && library->find(all.run, "MHD_run")
      && library->find(all.get_timeout, "MHD_get_timeout")
      && library->find(all.add_connection, "MHD_add_connection")
      && library->find(all.get_connection_info, "MHD_get_connection_info")
      && library->find(all.suspend_connection, "MHD_suspend_connection")
      && library->find(all.resume_connection, "MHD_resume_connection")
      && library->find(all.create_response_from_buffer,
                       "MHD_create_response_from_buffer")
      && library->find(all.add_response_header, "MHD_add_response_header")
      && library->find(all.queue_response, "MHD_queue_response")
      && library->find(all.destroy_response, "MHD_destroy_response");
  if (!found)
    return tl::unexpected(
      system_error{ELIBACC, std::string{name} + " is not as it should be"});
  return all;
}

} // namespace

const result<microhttpd_functions>& load_microhttpd() {
  static const auto found = find_functions();
  return found;
}

} // namespace weft
