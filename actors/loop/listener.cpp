#include "actors/loop/listener.hpp"

namespace weft {

listener::listener(io_loop& loop, int descriptor, owner told)
  : loop_(loop), descriptor_(descriptor), owner_(std::move(told)) {
  std::ignore = loop_.watch(descriptor_, interest::read, this);
}

listener::~listener() {
  loop_.forget(descriptor_);
}

void listener::ready(bool, bool) {
  int taken = 0;
  while (taken < most_at_a_time && owner_.accept())
    ++taken;
  if (taken > 0)
    return;
  loop_.forget(descriptor_);
  rests_until_ = loop_.now() + pause;
  owner_.rests(*rests_until_);
}

void listener::check(time_point now) {
  if (!rests_until_ || now < *rests_until_)
    return;
  rests_until_.reset();
  std::ignore = loop_.watch(descriptor_, interest::read, this);
}

} // namespace weft
