// What must hold in the section `metrics`, whatever its format.
#pragma once

#include "config/node_config.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

/// Called with a key of the section and what is wrong with it.
using metrics_complaint
  = std::function<void(std::string_view key, std::string message)>;

/// Complains of values that no reader has seen, and of sockets that would have
/// one name.
void check_metrics(const node_config& config,
                   const metrics_complaint& complain);

/// What is no mistake but should be known: that others than this host's
/// programs can read the metrics.  Nothing: there is nothing to say.
std::optional<std::string> metrics_warning(const metrics_config& metrics);

} // namespace weft
