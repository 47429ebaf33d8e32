// The connections of a command: the only place that knows how they are made.
#pragma once

#include "protocol/base/time.hpp"
#include "tools/weft/places/node_connection.hpp"
#include "tools/weft/places/target.hpp"

#include <iosfwd>
#include <memory>

namespace weft {

/// The actor system of a command, made when it is first needed, as it takes
/// some time.  Links end before it.
class connections {
public:
  connections();
  connections(const connections&) = delete;
  connections& operator=(const connections&) = delete;
  ~connections();

  /// A way to a node, which is connected with the first request.
  node_connection
  prepare(const node_place& place, const connection_options& options);

private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

/// Says if the certificate that a node elsewhere is to be shown ends soon.
void warn_of_own_end(const node_place& place, wall_time now, std::ostream& err);

} // namespace weft
