#include "actors/packets/send_queues.hpp"

#include <cerrno>

namespace weft {

namespace {

/// What a detour may have in the network's queues.
constexpr int detour_buffer = 1024 * 1024;
/// These sockets receive nothing.
constexpr int no_buffer = 4096;
/// Endpoints whose detour is remembered.
constexpr std::size_t max_detoured = 4096;

} // namespace

send_queues::send_queues(io_loop& loop, drop_counters& drops,
                         network_errors& errors,
                         std::function<void()> waiting_changed,
                         std::function<void()> failed)
  : loop_(loop), drops_(drops), errors_(errors),
    waiting_changed_(std::move(waiting_changed)), failed_(std::move(failed)) {
  v4_.main.queues = this;
  v6_.main.queues = this;
}

void send_queues::use(udp_socket* v4, udp_socket* v6, bool divided) {
  close();
  v4_.receiving = v4_.main.socket = v4;
  v6_.receiving = v6_.main.socket = v6;
  divided_ = divided;
}

void send_queues::close() {
  for (auto* way : {&v4_, &v6_}) {
    const auto clear = [this](queue& one) {
      drop_waiting(one);
      if (one.own)
        loop_.forget(one.own->descriptor());
      one.own.reset();
      one.socket = nullptr;
    };
    clear(way->main);
    for (auto& detour : way->detours)
      clear(*detour);
    way->detours.clear();
    way->detoured.clear();
    way->receiving = nullptr;
  }
}

void send_queues::use(const udp_features& features) {
  for (auto* way : {&v4_, &v6_}) {
    if (way->main.own)
      way->main.own->use(features);
    for (auto& detour : way->detours)
      detour->own->use(features);
  }
}

void send_queues::set_fwmark(std::uint32_t mark) {
  for (auto* way : {&v4_, &v6_}) {
    auto& main = way->main;
    if (main.own && !main.own->set_fwmark(mark)) {
      drop_waiting(main);
      loop_.forget(main.own->descriptor());
      main.own.reset();
      main.socket = way->receiving;
    }
    std::erase_if(way->detours, [&](const auto& detour) {
      if (detour->own->set_fwmark(mark))
        return false;
      drop_waiting(*detour);
      loop_.forget(detour->own->descriptor());
      std::erase_if(way->detoured, [&](const auto& entry) {
        return entry.second == detour.get();
      });
      return true;
    });
  }
}

void send_queues::finish() {
  const auto end = [this](queue& one) {
    if (one.waiting.empty())
      return;
    send_waiting(one);
    drop_waiting(one);
    watch(one);
  };
  for (auto* way : {&v4_, &v6_}) {
    end(way->main);
    for (auto& detour : way->detours)
      end(*detour);
  }
}

void send_queues::drop_waiting(queue& by) {
  for (const auto& waiting : by.waiting)
    drops_.dropped(drop_reason::send_overload,
                   waiting.datagrams.batch->datagrams.size() - waiting.sent);
  by.waiting.clear();
}

void send_queues::send(outgoing_datagrams& datagrams) {
  const auto& remote = datagrams.path.remote;
  auto& way = remote.address.is_v4() ? v4_ : v6_;
  if (way.main.socket == nullptr) {
    drops_.dropped(drop_reason::send_failed, datagrams.batch->datagrams.size());
    errors_.send_failed(datagrams.peer, remote, EAFNOSUPPORT, loop_.now());
    return;
  }
  auto* by = &queue_for(way, remote);
  waiting_batch next{std::move(datagrams)};
  if (by->waiting.empty()) {
    if (try_send(*by, next))
      return;
    if (by == &way.main) {
      if (auto* detour = make_detour(way, next.datagrams.path.remote)) {
        replace_main(way);
        by = detour;
        if (by->waiting.empty() && try_send(*by, next))
          return;
      }
    }
  }
  keep(*by, std::move(next));
}

send_queues::queue&
send_queues::queue_for(family& way, const endpoint& remote) {
  if (way.detoured.empty())
    return way.main;
  const auto found = way.detoured.find(remote);
  return found == way.detoured.end() ? way.main : *found->second;
}

send_queues::queue*
send_queues::make_detour(family& way, const endpoint& remote) {
  if (!divided_)
    return nullptr; // it would receive what is not for it
  auto* detour = free_detour(way);
  if (detour == nullptr)
    return nullptr;
  if (way.detoured.size() >= max_detoured)
    way.detoured.clear();
  way.detoured[remote] = detour;
  return detour;
}

send_queues::queue* send_queues::free_detour(family& way) {
  if (way.detours.size() < max_detours) {
    if (auto opened = way.receiving->open_beside(detour_buffer, no_buffer)) {
      auto made = std::make_unique<queue>();
      made->queues = this;
      made->own = std::move(*opened);
      made->socket = &*made->own;
      watch(*made);
      way.detours.push_back(std::move(made));
      return way.detours.back().get();
    }
  }
  for (auto& detour : way.detours) {
    if (detour->waiting.empty() && detour->own->unsent() == 0) {
      std::erase_if(way.detoured, [&](const auto& entry) {
        return entry.second == detour.get();
      });
      return detour.get();
    }
  }
  if (way.detours.empty())
    return nullptr;
  return way.detours[way.next_shared++ % way.detours.size()].get();
}

void send_queues::replace_main(family& way) {
  // What the former one has not sent yet goes its way also when it is closed.
  auto opened
    = way.receiving->open_beside(udp_socket::default_buffer, no_buffer);
  if (!opened)
    return;
  if (way.main.own)
    loop_.forget(way.main.own->descriptor());
  way.main.own = std::move(*opened);
  way.main.socket = &*way.main.own;
  watch(way.main);
}

bool send_queues::try_send(queue& by, waiting_batch& waiting) {
  const auto& path = waiting.datagrams.path;
  const auto result = by.socket->send(waiting.datagrams.batch->datagrams,
                                      waiting.sent, path.remote, path.local);
  waiting.sent = result.sent;
  if (result.source_was_invalid && waiting.datagrams.peer)
    caf::anon_send(waiting.datagrams.peer, source_lost{});
  if (result.crowded_out > 0)
    drops_.dropped(drop_reason::send_overload, result.crowded_out);
  if (result.failed > result.crowded_out) {
    drops_.dropped(drop_reason::send_failed,
                   result.failed - result.crowded_out);
    errors_.send_failed(waiting.datagrams.peer, path.remote, result.code,
                        loop_.now());
  }
  return result.status != udp_socket::io_status::would_block;
}

std::size_t send_queues::waiting_in_all() const {
  std::size_t count = 0;
  for (const auto* way : {&v4_, &v6_}) {
    count += way->main.waiting.size();
    for (const auto& detour : way->detours)
      count += detour->waiting.size();
  }
  return count;
}

void send_queues::keep(queue& by, waiting_batch&& waiting) {
  if (by.waiting.size() == max_waiting
      || waiting_in_all() >= max_waiting_in_all) {
    drops_.dropped(drop_reason::send_overload,
                   waiting.datagrams.batch->datagrams.size() - waiting.sent);
    return;
  }
  by.waiting.push_back(std::move(waiting));
  if (by.waiting.size() == 1)
    watch(by);
}

void send_queues::watch(queue& by) {
  if (!by.own) {
    waiting_changed_();
    return;
  }
  const auto wanted = by.waiting.empty() ? interest::errors : interest::write;
  if (!loop_.watch(by.own->descriptor(), wanted, &by))
    drop_waiting(by); // nobody would say that there is room
}

void send_queues::send_waiting(queue& by) {
  while (!by.waiting.empty() && try_send(by, by.waiting.front()))
    by.waiting.pop_front();
  if (by.waiting.empty())
    watch(by);
}

void send_queues::queue::ready(bool readable, bool writable) {
  if (readable)
    queues->errors_.read(*socket, queues->loop_.now());
  if (writable)
    queues->send_waiting(*this);
}

bool send_queues::waits_for(const udp_socket& receiving) const {
  for (const auto* way : {&v4_, &v6_}) {
    if (way->main.socket == &receiving && !way->main.waiting.empty())
      return true;
  }
  return false;
}

void send_queues::go_on(const udp_socket& receiving) {
  for (auto* way : {&v4_, &v6_}) {
    if (way->main.socket == &receiving)
      send_waiting(way->main);
  }
}

} // namespace weft
