#include "actors/loop/loop_load.hpp"

#include <utility>

namespace weft {

void loop_load::look(time_point now, duration loop, duration others) {
  const auto before = std::exchange(last_, reading{now, loop, others});
  if (!before || now <= before->when)
    return;
  const auto share_of = [&](duration used) {
    return static_cast<double>(used.count())
           / static_cast<double>((now - before->when).count());
  };
  const auto own = share_of(loop - before->loop);
  const auto all = own + share_of(others - before->others);
  const bool is_for_change = wants_relief_ ? all < low : own >= high;
  in_a_row_ = is_for_change ? in_a_row_ + 1 : 0;
  if (in_a_row_ < (wants_relief_ ? to_end : to_begin))
    return;
  wants_relief_ = !wants_relief_;
  in_a_row_ = 0;
}

} // namespace weft
