#include "actors/overlay/overlay_loops.hpp"

#include "actors/loop/heap_preparer.hpp"
#include "actors/loop/waiting_threads.hpp"
#include "actors/loop/worker_places.hpp"
#include "actors/packets/cipher_worker.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

/// What a peer that an earlier process had takes as values, where it lives, and
/// where the registry makes it.
constexpr std::size_t state_of_peer = 2600;
constexpr std::size_t packet_heap_of_peer = 1536;
constexpr std::size_t control_heap_of_peer = std::size_t{6} << 10;

/// Threads that share a core cost more than one that does everything.
void heed_cores(const overlay_options& options,
                const overlay_resources& opened) {
  std::vector<io_loop_ptr> workers;
  for (const auto& thread : opened.cipher_threads)
    workers.push_back(thread.loop);
  std::vector<io_loop_ptr> loops{opened.packet_loop};
  loops.insert(loops.end(), opened.device_loops.begin(),
               opened.device_loops.end());
  loops.insert(loops.end(), workers.begin(), workers.end());
  const auto is_wanted = options.config.interface.cores != automatic_cores;
  opened.desk->heed(
    [threads = std::make_shared<waiting_threads>(std::move(loops)),
     places = worker_places{std::move(workers)}, log = options.log,
     name = opened.interface, is_wanted]() mutable -> std::optional<duration> {
      places.look();
      const auto waited = threads->read();
      if (waited)
        return *waited;
      log->info("{}: whether a core is idle is not known, so that packets keep "
                "{}: {}",
                name,
                is_wanted ? "all busy that are configured"
                          : "one busy (interface.cores says how many to use)",
                waited.error().message);
      return std::nullopt;
    },
    is_wanted);
}

/// As many as can be had.
void start_device_loops(caf::actor_system& system,
                        const overlay_options& options,
                        overlay_resources& opened) {
  const auto wanted = opened.tun ? device_cores(options.cores) : 0;
  while (opened.device_loops.size() < wanted) {
    const auto number = opened.device_loops.size();
    auto loop = io_loop::start(system, "weft-tun-" + std::to_string(number),
                               options.sources);
    if (!loop) {
      options.log->warn("{} of {} threads read the TUN device: {}", number,
                        wanted, loop.error().message);
      break;
    }
    opened.device_loops.push_back(std::move(*loop));
  }
}

/// As many as can be had: without any, the packets' loop does their work.
void start_cipher_threads(caf::actor_system& system,
                          const overlay_options& options,
                          overlay_resources& opened) {
  const auto wanted
    = std::clamp<std::size_t>(options.cores - opened.device_loops.size(), 1,
                              cipher_desk::most_workers + 1)
      - 1;
  std::vector<cipher_desk::worker> workers;
  for (std::size_t i = 0; i < wanted; ++i) {
    auto loop = io_loop::start(system, "weft-cipher-" + std::to_string(i),
                               options.sources);
    if (!loop) {
      options.log->warn("{} of {} threads seal packets: {}", i, wanted,
                        loop.error().message);
      break;
    }
    auto state
      = std::make_shared<std::atomic<worker_state>>(worker_state::starting);
    auto worker = system.spawn<cipher_worker>(*loop, state);
    workers.push_back({worker, std::move(state)});
    opened.cipher_threads.push_back({std::move(*loop), std::move(worker)});
  }
  if (workers.empty()) {
    for (const auto& loop : std::exchange(opened.device_loops, {}))
      loop->stop();
    return; // without a core for them there is none to relieve it, either
  }
  opened.desk = std::make_shared<cipher_desk>(std::move(workers));
  if (!options.own_cores)
    heed_cores(options, opened);
}

} // namespace

std::size_t device_cores(std::size_t cores) {
  return std::min(cores / 4, most_device_queues);
}

result<std::shared_ptr<prepared_loops>>
prepared_loops::make(caf::actor_system& system, const loop_sources& sources) {
  std::shared_ptr<prepared_loops> made{new prepared_loops}; // ends what it has
  for (const auto& [name, loop] :
       {std::pair{"weft-control", &made->control_},
        std::pair{"weft-handshake", &made->handshake_},
        std::pair{"weft-packets-0", &made->packets_}}) {
    auto started = io_loop::start(system, name, sources);
    if (!started)
      return tl::unexpected(started.error());
    *loop = std::move(*started);
  }
  return made;
}

prepared_loops::~prepared_loops() {
  for (const auto& loop : {control_, handshake_, packets_})
    if (loop)
      loop->stop();
}

void prepared_loops::set_memory_aside(caf::actor_system& system,
                                      std::size_t peers) {
  if (peers < peers_ / 2) {
    let_go_of_memory();
    peers_ = 0;
  }
  if (peers <= peers_)
    return;
  const auto more = peers - std::exchange(peers_, peers);
  if (!preparers_.packets)
    preparers_ = {system.spawn<heap_preparer>(packets_),
                  system.spawn<heap_preparer>(control_)};
  caf::scoped_actor self{system};
  auto packets = self->request(preparers_.packets, caf::infinite,
                               set_heap_aside{more * packet_heap_of_peer});
  auto control = self->request(preparers_.control, caf::infinite,
                               set_heap_aside{more * control_heap_of_peer});
  for (auto* answer : {&packets, &control})
    answer->receive([this](prepared_heap_ptr& heap) { heaps_.push_back(heap); },
                    // Whoever needs it then will see.
                    [this](const caf::error&) { heaps_.push_back(nullptr); });
}

void prepared_loops::prepare_for_state(caf::actor_system& system,
                                       std::size_t peers) {
  if (peers == 0)
    return;
  set_memory_aside(system, peers);
  state_heap_ = std::make_shared<prepared_heap>(peers * state_of_peer);
  state_heap_->back_with_memory();
  // Not the control loop's: all would be there beside the former process.
  if (heaps_.front())
    heaps_.front()->back_with_memory();
}

void prepared_loops::back_with_memory() {
  std::erase(heaps_, nullptr);
  for (const auto& preparer : {preparers_.packets, preparers_.control})
    if (preparer)
      caf::anon_send(preparer, back_heaps{heaps_});
}

void prepared_loops::give_to(overlay_resources& opened) {
  preparers_ = {};
  opened.heaps = std::move(heaps_);
  opened.control_loop = std::move(control_);
  opened.handshake_loop = std::move(handshake_);
  opened.packet_loop = std::move(packets_);
}

void start_further_loops(caf::actor_system& system,
                         const overlay_options& options,
                         overlay_resources& opened) {
  start_device_loops(system, options, opened);
  start_cipher_threads(system, options, opened);
}

} // namespace weft
