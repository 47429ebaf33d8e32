#include "tools/weft/places/other_end.hpp"

#include "tools/weft/explain/host.hpp"

#include <algorithm>

namespace weft {

namespace {

constexpr std::chrono::seconds patience{3};

/// As one of the contexts, at the peer's own address: only the node that has a
/// certificate for the peer's name is spoken to.
std::optional<remote_node>
inside_tunnel(const context_file& contexts, const peer_status& peer) {
  const auto address = address_of(peer, {});
  if (contexts.contexts.empty() || peer.name.empty() || !address
      || !peer.session_age)
    return std::nullopt;
  const auto* current = contexts.find(contexts.current);
  auto node
    = current != nullptr ? current->node : contexts.contexts.front().node;
  node.host = to_string(*address);
  node.server_name = peer.name;
  return node;
}

} // namespace

outcome<std::optional<other_end>>
find_other_end(const connection_options& ours, const std::string& named,
               const peer_status& peer) {
  other_end other;
  auto& there = other.options;
  there.socket_folder = ours.socket_folder;
  there.contexts_file = ours.contexts_file;
  there.timeout = std::min(ours.timeout, patience);
  const auto contexts
    = load_contexts(there.contexts_file.empty() ? default_contexts_path()
                                                : there.contexts_file);
  const auto& name = named.empty() ? peer.name : named;
  if (!name.empty() && contexts && contexts->find(name) != nullptr) {
    there.socket_folder.clear();
    there.context = name;
  } else if (!named.empty()) {
    there.interface = named;
  } else {
    auto node = contexts ? inside_tunnel(*contexts, peer) : std::nullopt;
    if (!node)
      return std::nullopt;
    other.place = std::move(*node);
    other.is_guess = true;
    return other;
  }
  auto place = find_node(there);
  if (!place)
    return tl::unexpected(std::move(place.error()));
  other.place = std::move(*place);
  return other;
}

} // namespace weft
