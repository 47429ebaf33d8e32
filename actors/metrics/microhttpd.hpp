// GNU libmicrohttpd, for who serves metrics.
#pragma once

#include <microhttpd.h>

namespace weft {

/// Its functions by their names without `MHD_`.
struct microhttpd_functions {
  decltype(&::MHD_start_daemon) start_daemon;
  decltype(&::MHD_stop_daemon) stop_daemon;
  decltype(&::MHD_get_daemon_info) get_daemon_info;
  decltype(&::MHD_run) run;
  decltype(&::MHD_get_timeout) get_timeout;
  decltype(&::MHD_add_connection) add_connection;
  decltype(&::MHD_get_connection_info) get_connection_info;
  decltype(&::MHD_suspend_connection) suspend_connection;
  decltype(&::MHD_resume_connection) resume_connection;
  decltype(&::MHD_create_response_from_buffer) create_response_from_buffer;
  decltype(&::MHD_add_response_header) add_response_header;
  decltype(&::MHD_queue_response) queue_response;
  decltype(&::MHD_destroy_response) destroy_response;
};

/// Throws std::runtime_error where load_microhttpd() (start_metrics.hpp) fails.
const microhttpd_functions& microhttpd();

} // namespace weft
