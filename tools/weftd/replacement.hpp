// One weftd takes the place of another of the same interface, without a service
// manager: weftd --replace.
#pragma once

#include "actors/overlay/export_overlay.hpp"
#include "platform/file_descriptor.hpp"

#include <spdlog/logger.h>

#include <functional>
#include <memory>
#include <string>

namespace weft {

/// Gives the overlay's place to the process at the other end, as
/// export_overlay() does.
using give_place = std::function<result<void>(file_descriptor connection)>;

/// The side of the node that runs.
class place_giver {
public:
  virtual ~place_giver() = default;
  /// Readable when serve() has something to do.
  virtual int descriptor() const = 0;
  /// Somebody has come: it takes the overlay's place, which has ended then, or
  /// it does not, and the overlay goes on.  Blocks for some seconds at most.
  /// Whether it has.
  virtual bool serve(const give_place& give, spdlog::logger& log) = 0;
  /// Of a unit: whether whoever has the place has ended before the service
  /// manager knew of it.
  virtual bool successor_has_ended() const {
    return false;
  }
};

/// Gives the place to whoever comes, a process of the same user.
result<std::unique_ptr<place_giver>> open_for_anyone(const std::string& socket);

/// The side of the node that begins: what the one that served `socket` has
/// left.  It sends no more then, and is about to end (`await_end`); on failure
/// it goes on, also when `check` finds that this process could not go on with
/// it.  Asks again for some seconds while that one is busy.
result<imported_overlay>
take_place(const std::string& socket, const std::string& interface,
           const std::function<result<void>(const inherited_overlay&)>& check);

} // namespace weft
