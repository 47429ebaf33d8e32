#include "actors/control/server/role_supervisor.hpp"

#include <algorithm>
#include <cerrno>

namespace weft {

role_supervisor::role_supervisor(control_role role, surroundings given)
  : role_(role), given_(std::move(given)) {
}

role_supervisor::~role_supervisor() {
  end();
}

void role_supervisor::end() {
  if (system_)
    role_system::retire(std::move(system_), given_.reaper);
}

result<role_system*> role_supervisor::get(time_point now) {
  if (replaced_ >= most_replaced)
    return tl::unexpected(
      system_error{EAGAIN, "the role " + std::string{to_string(role_)}
                             + " is shut until the daemon is started again"});
  if (!system_) {
    auto made = role_system::start(given_.overlay, given_.log, given_.clock);
    if (!made)
      return tl::unexpected(made.error());
    system_ = std::move(*made);
    ++generation_;
    alive_ = left_ = now;
    asked_ = false;
  }
  return system_.get();
}

void role_supervisor::client_left(time_point now) {
  if (--clients_ == 0)
    left_ = now;
}

void role_supervisor::is_alive(std::uint64_t generation, time_point now) {
  if (generation != generation_)
    return;
  alive_ = now;
  asked_ = false;
}

role_supervisor::health role_supervisor::check(time_point now) {
  if (!system_)
    return health::fine;
  if (clients_ == 0 && now - left_ >= given_.times.rest) {
    end();
    return health::fine;
  }
  if (asked_) {
    if (now < deadline_)
      return health::fine;
    if (warned_)
      return health::hung;
    // The whole host may have slept: the answer gets a last chance.
    warned_ = true;
    deadline_ = now + given_.times.patience / 6;
    return health::fine;
  }
  if (now - alive_ >= given_.times.probe) {
    asked_ = true;
    warned_ = false;
    deadline_ = now + given_.times.patience;
    system_->probe([alive = given_.alive, role = role_,
                    generation = generation_] { alive(role, generation); });
  }
  return health::fine;
}

void role_supervisor::abandon() {
  end();
  ++replaced_;
  if (replaced_ < most_replaced)
    given_.log->error("control: the actor system of the role {} hung and is "
                      "replaced",
                      to_string(role_));
  else
    given_.log->critical("control: actor systems of the role {} hung {} times: "
                         "its clients are refused until the daemon is started "
                         "again",
                         to_string(role_), replaced_);
}

std::optional<time_point> role_supervisor::next_check() const {
  if (!system_)
    return std::nullopt;
  auto next = asked_ ? deadline_ : alive_ + given_.times.probe;
  if (clients_ == 0)
    next = std::min(next, left_ + given_.times.rest);
  return next;
}

} // namespace weft
