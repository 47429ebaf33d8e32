// The last value of each enumeration of the configuration that goes to another
// process as a number: whoever reads a larger one refuses it.
#pragma once

#include "config/device_update.hpp"

namespace weft {

constexpr log_level last_of(log_level) {
  return log_level::off;
}
constexpr log_format last_of(log_format) {
  return log_format::json;
}
constexpr route_mode last_of(route_mode) {
  return route_mode::automatic;
}
constexpr df_mode last_of(df_mode) {
  return df_mode::off;
}
constexpr offload_mode last_of(offload_mode) {
  return offload_mode::on;
}
constexpr peer_origin last_of(peer_origin) {
  return peer_origin::network;
}

} // namespace weft
