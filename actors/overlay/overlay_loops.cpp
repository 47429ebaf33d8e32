#include "actors/overlay/overlay_loops.hpp"

#include "actors/loop/heap_preparer.hpp"
#include "actors/loop/waiting_threads.hpp"
#include "actors/loop/worker_places.hpp"
#include "actors/packets/cipher_worker.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

/// What a peer that an earlier process had takes where the registry makes it,
/// and where it lives.
constexpr std::size_t control_heap_of_peer = std::size_t{6} << 10;
constexpr std::size_t packet_heap_of_peer = 1536;

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

result<void>
start_loops(caf::actor_system& system, const overlay_options& options,
            overlay_resources& opened) {
  std::vector<io_loop_ptr> started;
  const auto start = [&](const std::string& name) {
    auto loop = io_loop::start(system, name, options.sources);
    if (loop)
      started.push_back(*loop);
    return loop;
  };
  auto last = start("weft-control");
  if (last)
    last = start("weft-handshake");
  if (last)
    last = start("weft-packets-0");
  if (!last) {
    for (const auto& loop : started)
      loop->stop();
    return tl::unexpected(last.error());
  }
  opened.control_loop = started[0];
  opened.handshake_loop = started[1];
  opened.packet_loop = started[2];
  return {};
}

void prepare_heaps(caf::actor_system& system, std::size_t peers,
                   overlay_resources& opened) {
  for (const auto& [loop, of_peer] :
       {std::pair{opened.control_loop, control_heap_of_peer},
        std::pair{opened.packet_loop, packet_heap_of_peer}}) {
    const auto& heap
      = opened.heaps.emplace_back(std::make_shared<prepared_heap>());
    system.spawn<heap_preparer>(loop, peers * of_peer, heap);
  }
}

void stop_loops(const overlay_resources& opened) {
  for (const auto& loop :
       {opened.control_loop, opened.handshake_loop, opened.packet_loop})
    loop->stop();
}

void start_further_loops(caf::actor_system& system,
                         const overlay_options& options,
                         overlay_resources& opened) {
  start_device_loops(system, options, opened);
  start_cipher_threads(system, options, opened);
}

} // namespace weft
