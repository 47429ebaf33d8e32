// All that a program needs to embed an overlay, or to steer one elsewhere.
// Users of the installed library include it as <weft/weft.hpp>; what makes a
// member of a network is in <weft/network.hpp>.
#pragma once

#include "actors/control/client/connect.hpp" // IWYU pragma: export
#include "actors/overlay/config_files.hpp"   // IWYU pragma: export
#include "actors/overlay/export_overlay.hpp" // IWYU pragma: export
#include "actors/overlay/start_overlay.hpp"  // IWYU pragma: export
#include "config/yaml.hpp"                   // IWYU pragma: export
#include "messages/control.hpp"              // IWYU pragma: export
#include "messages/errors.hpp"               // IWYU pragma: export
#include "messages/packet_port.hpp"          // IWYU pragma: export
#include "platform/random.hpp"               // IWYU pragma: export
