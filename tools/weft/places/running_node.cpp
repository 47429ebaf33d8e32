#include "tools/weft/places/running_node.hpp"

#include "config/uapi_secrets.hpp"
#include "platform/connect.hpp"
#include "platform/stream.hpp"
#include "protocol/base/wipe.hpp"
#include "tools/weft/places/requests.hpp"

#include <poll.h>

#include <cerrno>

namespace weft {

namespace {

constexpr int patience_ms = 10'000;
/// Configurations may change while they are asked for, but not for ever.
constexpr int most_attempts = 5;
/// Longer answers are none of a node of this size.
constexpr std::size_t longest_answer = std::size_t{256} << 20;

failure no_secrets(const std::string& socket, int code, std::string why) {
  return {exit_code_of(code), code,
          "the keys of the node cannot be had from " + socket + ": "
            + std::move(why)};
}

bool wait_for(int fd, short what) {
  pollfd asked{fd, what, 0};
  int ready = 0;
  do {
    ready = ::poll(&asked, 1, patience_ms);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

/// The answer to `get=1`; empty: the node says nothing, or too much.
std::string ask_uapi(int fd) {
  std::string_view request{"get=1\n\n"};
  while (!request.empty()) {
    const auto sent = write_some(fd, request);
    if (sent.what == stream_result::status::closed || !wait_for(fd, POLLOUT))
      return {};
    request.remove_prefix(sent.bytes);
  }
  std::string answer;
  std::string block(std::size_t{64} << 10, '\0');
  const text_wiper end{block};
  while (!answer.ends_with("\n\n")) {
    const auto got = read_some(fd, block);
    if (answer.size() + got.bytes > answer.capacity()) {
      // Growing by itself would leave copies of keys behind.
      std::string larger;
      larger.reserve(2 * (answer.capacity() + block.size()));
      larger = answer;
      wipe_text(answer);
      answer.swap(larger);
    }
    answer.append(block, 0, got.bytes);
    if (got.what == stream_result::status::closed
        || answer.size() > longest_answer
        || (got.what == stream_result::status::would_block
            && !wait_for(fd, POLLIN)))
      break;
  }
  return answer;
}

} // namespace

outcome<node_configuration> ask_configuration(const node_connection& link) {
  node_configuration all;
  int attempts = 0;
  for (std::uint32_t next = 0;;) {
    auto page = ask<node_configuration>(link, get_configuration{next});
    if (!page)
      return tl::unexpected(std::move(page.error()));
    if (next != 0 && page->changes != all.changes) {
      if (++attempts == most_attempts)
        return tl::unexpected(failure{exit_failure, EBUSY,
                                      "the configuration changes all the time: "
                                      "try again later"});
      next = 0;
      continue;
    }
    if (next == 0) {
      all = std::move(*page);
    } else {
      auto& peers = page->config.peers;
      all.config.peers.insert(all.config.peers.end(),
                              std::make_move_iterator(peers.begin()),
                              std::make_move_iterator(peers.end()));
      auto& with_key = page->with_preshared_key;
      all.with_preshared_key.insert(all.with_preshared_key.end(),
                                    with_key.begin(), with_key.end());
    }
    if (page->next_peer == 0)
      return all;
    if (page->next_peer <= next)
      return tl::unexpected(
        failure{exit_unreachable, EPROTO,
                "the node's answers do not end: is it of another version?"});
    next = page->next_peer;
  }
}

outcome<void> add_secrets(node_configuration& to) {
  auto& config = to.config;
  const auto socket
    = config.interface.socket_folder + '/' + config.interface.name + ".sock";
  const auto fd = start_connect_unix(socket);
  if (!fd)
    return tl::unexpected(
      no_secrets(socket, fd.error().code, fd.error().message));
  auto answer = ask_uapi(fd->get());
  const text_wiper end{answer};
  const auto secrets = parse_uapi_secrets(answer);
  if (!secrets)
    return tl::unexpected(
      no_secrets(socket, EPROTO, "there is no answer that makes sense"));
  config.interface.private_key = secrets->private_key;
  for (auto& peer : config.peers) {
    const auto found = secrets->preshared_keys.find(peer.public_key);
    if (found == secrets->preshared_keys.end())
      return tl::unexpected(
        no_secrets(socket, EBUSY, "its peers have changed; try again"));
    peer.preshared_key = found->second;
  }
  return {};
}

} // namespace weft
