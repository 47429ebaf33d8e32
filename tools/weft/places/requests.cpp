#include "tools/weft/places/requests.hpp"

#include "messages/errors.hpp"

#include <cerrno>

namespace weft {

failure to_failure(const caf::error& error, std::chrono::milliseconds timeout) {
  if (error == caf::sec::request_timeout) {
    const auto seconds
      = std::chrono::ceil<std::chrono::seconds>(timeout).count();
    return {exit_unreachable, ETIMEDOUT,
            "no answer within " + std::to_string(seconds)
              + " s: look into the daemon's log, or give it more time with "
                "--timeout"};
  }
  if (error == caf::sec::request_receiver_down
      || error.category() == caf::atom("exit"))
    return {exit_unreachable, ECONNRESET,
            "the connection was lost: is weftd still running?"};
  failure what{exit_failure, error_code(error), error_message(error),
               error_field(error)};
  what.exit = exit_code_of(what.code);
  // Of a peer, or of one of our own files.
  if (what.code == ENOENT)
    what.exit = what.field.starts_with("peer") ? exit_no_peer : exit_mistaken;
  return what;
}

outcome<overlay_actor> node_connection::overlay() const {
  if (!*overlay_) {
    auto made = connect_({});
    if (!made)
      return made;
    *overlay_ = std::move(*made);
  }
  return *overlay_;
}

outcome<void> status_pages::add(device_status&& page) {
  const auto next = page.next_peer;
  if (next != 0 && next <= next_)
    return tl::unexpected(
      failure{exit_unreachable, EPROTO,
              "the node's answers do not end: is it of another version?"});
  auto peers = std::move(page.peers);
  page.peers = std::move(status_.peers);
  status_ = std::move(page); // the newest of what is not about peers
  for (auto& peer : peers)
    if (seen_.insert(peer.public_key).second)
      status_.peers.push_back(std::move(peer));
  next_ = next;
  begun_ = true;
  return {};
}

outcome<device_status> ask_status(const node_connection& link) {
  status_pages pages;
  while (!pages.is_complete()) {
    auto page = ask<device_status>(link, pages.next());
    if (!page)
      return tl::unexpected(std::move(page.error()));
    if (auto added = pages.add(std::move(*page)); !added)
      return tl::unexpected(std::move(added.error()));
  }
  return pages.take();
}

} // namespace weft
