// Units of systemd that belong to a node of a network, where there is systemd.
#pragma once

#include "platform/error.hpp"

#include <string>
#include <vector>

namespace weft {

/// Whether systemd manages this host (sd_booted(3)).
bool systemd_is_there();

/// `systemctl WORDS`, as root.
result<void> run_systemctl(const std::vector<std::string>& words);

/// `weft@NODE`, which reads /etc/weft/NODE.yaml.
std::string node_unit(const std::string& node);
/// `weft-issuer@NETWORK`
std::string issuer_unit(const std::string& network);

} // namespace weft
