// The store that a directory's configuration names.
#pragma once

#include "actors/network/store_worker.hpp"
#include "config/network_config.hpp"
#include "protocol/network/ids.hpp"

namespace weft {

/// Whether what it needs can be loaded, and is from now on.
result<void> load_store(const store_config& config);

/// Opens it for the directory `writer` of a network; for store_worker, which
/// asks again until it can be opened.  What it draws from `from` outlives it.
store_worker::opener
configured_store(const store_config& config, const network_id& network,
                 const std::string& writer, const loop_sources& from);

} // namespace weft
