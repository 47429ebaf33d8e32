// Sending a batch:
// 1. gather runs of datagrams of one size and mark into messages
//    (message_builder);
// 2. hand many messages to the kernel with one call (transmit);
// 3. after a failure that comes again (may_be_of_another) decide what to do
//    without: GSO, the source, or the datagram (overcome).
#include "platform/linux/udp_arena.hpp"
#include "platform/udp_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace weft {

namespace {

/// UDP_MAX_SEGMENTS of kernels before 6.9.
constexpr std::size_t max_segments = 64;
/// A GSO message must fit into one IP packet, as far as its length field goes.
constexpr std::size_t max_payload_v4
  = 65535 - ipv4_header_size - udp_header_size;
constexpr std::size_t max_payload_v6
  = 65535 - ipv6_header_size - udp_header_size;

/// The number of datagrams from `first` on that can be one GSO message: side
/// by side, of one mark and one size, but the last may be shorter.
std::size_t run_length(std::span<const slice> slices, std::size_t first,
                       std::size_t max_bytes) {
  const std::size_t size = slices[first].length;
  const auto mark = slices[first].mark;
  if (size == 0)
    return 1;
  std::size_t count = 1;
  std::size_t bytes = size;
  while (first + count < slices.size() && count < max_segments) {
    const auto& last = slices[first + count - 1];
    const auto& next = slices[first + count];
    if (last.length != size || next.length > size || next.length == 0
        || next.mark != mark || next.offset != last.offset + last.length
        || bytes + next.length > max_bytes)
      break;
    bytes += next.length;
    ++count;
  }
  return count;
}

/// Appends a control message with the bytes of `value` to `to`, and returns
/// the bytes used in all.
template <class T>
std::size_t put_control(control_memory& to, std::size_t used, int level,
                        int type, const T& value) {
  cmsghdr header{};
  header.cmsg_level = level;
  header.cmsg_type = type;
  header.cmsg_len = CMSG_LEN(sizeof value);
  auto* at = &to.bytes[used];
  std::memcpy(at, &header, sizeof header);
  std::memcpy(at + CMSG_LEN(0), &value, sizeof value);
  return used + CMSG_SPACE(sizeof value);
}

std::size_t put_source(control_memory& to, const source_address& source) {
  if (source.address.is_v4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, source.address.bytes.data(), 4);
    return put_control(to, 0, SOL_IP, IP_PKTINFO, info);
  }
  in6_pktinfo info{};
  std::memcpy(&info.ipi6_addr, source.address.bytes.data(), 16);
  // An interface here would overrule the routing tables, except that a
  // link-local address means nothing without one.
  if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
    info.ipi6_ifindex = source.interface_index;
  return put_control(to, 0, SOL_IPV6, IPV6_PKTINFO, info);
}

std::size_t put_mark(control_memory& to, std::size_t used, bool is_v4,
                     congestion_mark mark) {
  const int octet = static_cast<int>(mark); // DSCP 0
  return is_v4 ? put_control(to, used, SOL_IP, IP_TOS, octet)
               : put_control(to, used, SOL_IPV6, IPV6_TCLASS, octet);
}

/// Whether `code` is how the kernel says that it cannot send from an address.
bool may_mean_source(int code) {
  return code == EINVAL || code == ENETUNREACH || code == EADDRNOTAVAIL
         || code == EHOSTUNREACH || code == ENODEV || code == ENXIO;
}

/// Whether `code` may be what an ICMP message said of an earlier datagram: the
/// kernel gives it to the socket's next call, whoever that sends to.
bool may_be_of_another(int code) {
  return code == ECONNREFUSED || code == EHOSTUNREACH || code == ENETUNREACH
         || code == EHOSTDOWN || code == ENONET || code == ENOPROTOOPT
         || code == EPROTO || code == EOPNOTSUPP || code == EACCES
         || code == EMSGSIZE;
}
/// Many, since the next such error may come meanwhile: somebody who forges
/// 10,000 a second, and sends them at once where he had to wait for a core,
/// must not cost others a datagram.
constexpr int max_repetitions = 16;

/// Says whether a call is to be repeated.  An error that outlasts repetitions
/// is this host's own, and stays for what is sent in the same breath.
class repetitions {
public:
  bool again(int code) {
    if (!may_be_of_another(code) || code == lasting_)
      return false;
    if (++count_ <= max_repetitions)
      return true;
    lasting_ = code;
    count_ = 0;
    return false;
  }
  void went() {
    count_ = 0;
  }

private:
  int count_ = 0;
  int lasting_ = 0;
};

/// What one send call tries with, which failures reduce.
struct attempt {
  bool gso = false;
  const source_address* source = nullptr;
  bool dropped_source = false;
};

/// Tries something else after the message with `count` datagrams failed with
/// `code`.  False: there is nothing else, give it up.
bool overcome(attempt& trying, bool& gso_refused, int code, std::size_t count) {
  if (count > 1 && (code == EIO || code == EINVAL || code == EMSGSIZE)) {
    gso_refused = gso_refused || code == EIO;
    trying.gso = false;
    return true;
  }
  if (trying.source != nullptr && may_mean_source(code)) {
    trying.source = nullptr;
    trying.dropped_source = true;
    return true;
  }
  return false;
}

/// Makes messages of datagrams in `memory` to one endpoint.
class message_builder {
public:
  message_builder(const_byte_span memory, std::span<const slice> slices,
                  socket_address& to)
    : memory_(memory), slices_(slices), to_(to),
      is_v4_(to.data()->sa_family == AF_INET),
      max_bytes_(is_v4_ ? max_payload_v4 : max_payload_v6) {
  }

  /// Fills `messages` with the datagrams from `next` on, and returns the
  /// number of messages.
  std::size_t build(sent_messages& messages, std::size_t next,
                    const attempt& trying) const {
    std::size_t used = 0;
    for (; next < slices_.size() && used < sent_messages::capacity; ++used) {
      const auto count = trying.gso ? run_length(slices_, next, max_bytes_) : 1;
      fill(messages, used, next, count, trying.source);
      messages.counts[used] = count;
      next += count;
    }
    return used;
  }

private:
  void fill(sent_messages& messages, std::size_t at, std::size_t first,
            std::size_t count, const source_address* source) const {
    const auto& last = slices_[first + count - 1];
    const auto part = memory_.subspan(
      slices_[first].offset, last.offset + last.length - slices_[first].offset);
    // sendmmsg() does not write to what an iovec points to.
    auto* start = const_cast<std::byte*>(part.data());
    messages.vectors[at] = {start, part.size()};
    auto& control = messages.controls[at];
    std::size_t used = source != nullptr ? put_source(control, *source) : 0;
    if (count > 1)
      used = put_control(control, used, SOL_UDP, UDP_SEGMENT,
                         slices_[first].length);
    const auto mark = slices_[first].mark;
    if (mark != congestion_mark::not_capable)
      used = put_mark(control, used, is_v4_, mark);
    auto& header = messages.headers[at].msg_hdr;
    header = {};
    header.msg_name = to_.data();
    header.msg_namelen = to_.size();
    header.msg_iov = &messages.vectors[at];
    header.msg_iovlen = 1;
    header.msg_control = used > 0 ? control.bytes.data() : nullptr;
    header.msg_controllen = used;
  }

  const_byte_span memory_;
  std::span<const slice> slices_;
  socket_address& to_;
  bool is_v4_;
  std::size_t max_bytes_;
};

/// Makes one message of each datagram, and returns how many.
std::size_t
fill_addressed(sent_messages& messages,
               std::array<socket_address, sent_messages::capacity>& remotes,
               std::span<const addressed_datagram> datagrams,
               ip_family family) {
  const auto count = std::min(datagrams.size(), sent_messages::capacity);
  for (std::size_t i = 0; i < count; ++i) {
    const auto& datagram = datagrams[i];
    remotes[i] = socket_address{datagram.remote};
    // sendmmsg() does not write to what an iovec points to.
    auto* start = const_cast<std::byte*>(datagram.bytes.data());
    messages.vectors[i] = {start, datagram.bytes.size()};
    std::size_t used = 0;
    if (datagram.local && datagram.local->address.family == family)
      used = put_source(messages.controls[i], *datagram.local);
    auto& header = messages.headers[i].msg_hdr;
    header = {};
    header.msg_name = remotes[i].data();
    header.msg_namelen = remotes[i].size();
    header.msg_iov = &messages.vectors[i];
    header.msg_iovlen = 1;
    header.msg_control = used > 0 ? messages.controls[i].bytes.data() : nullptr;
    header.msg_controllen = used;
  }
  return count;
}

} // namespace

std::size_t udp_socket::send(std::span<const addressed_datagram> datagrams) {
  auto& messages = arena_->sent;
  std::array<socket_address, sent_messages::capacity> remotes;
  std::size_t went = 0;
  repetitions tried;
  while (!datagrams.empty()) {
    const auto built = fill_addressed(messages, remotes, datagrams, family_);
    std::size_t at = 0;
    while (at < built) {
      const auto done = ::sendmmsg(fd_.get(), &messages.headers[at],
                                   static_cast<unsigned>(built - at),
                                   MSG_DONTWAIT | MSG_NOSIGNAL);
      if (done > 0) {
        at += static_cast<std::size_t>(done);
        went += static_cast<std::size_t>(done);
        tried.went();
      } else if (errno == EAGAIN) {
        return went;
      } else if (tried.again(errno)) {
        may_have_errors_ = true;
      } else if (errno != EINTR) {
        ++at; // this one alone is lost
      }
    }
    datagrams = datagrams.subspan(built);
  }
  return went;
}

udp_socket::send_result
udp_socket::transmit(const_byte_span memory, std::span<const slice> slices,
                     std::size_t first, const endpoint& remote,
                     const std::optional<source_address>& source) {
  const auto left = slices.size() - first;
  if (remote.address.family != family_)
    return {io_status::failed, slices.size(), left, 0, EAFNOSUPPORT, false};
  send_result outcome;
  outcome.sent = first;
  socket_address to{remote};
  attempt trying{gso_, nullptr, false};
  if (source && source->address.family == family_)
    trying.source = &*source;
  else
    outcome.source_was_invalid = source.has_value();
  auto& messages = arena_->sent;
  const message_builder builder{memory, slices, to};
  repetitions tried;

  while (outcome.sent < slices.size()) {
    const auto built = builder.build(messages, outcome.sent, trying);
    const auto done
      = ::sendmmsg(fd_.get(), messages.headers.data(),
                   static_cast<unsigned>(built), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done > 0) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(done); ++i)
        outcome.sent += messages.counts[i];
      // What was refused with the source went out without it.
      outcome.source_was_invalid
        = outcome.source_was_invalid || trying.dropped_source;
      tried.went();
      continue;
    }
    const int code = errno;
    if (code == EINTR)
      continue;
    if (code == EAGAIN) {
      outcome.status = io_status::would_block;
      return outcome;
    }
    // A GSO message that is too long for the route loses nothing by "too big".
    if (!(code == EMSGSIZE && messages.counts[0] > 1) && tried.again(code)) {
      may_have_errors_ = true;
      continue;
    }
    if (overcome(trying, gso_refused_, code, messages.counts[0])) {
      gso_ = gso_ && !gso_refused_;
      continue;
    }
    if (code == ENOBUFS)
      outcome.crowded_out += messages.counts[0];
    outcome.code = code;
    outcome.failed += messages.counts[0];
    outcome.sent += messages.counts[0];
  }
  if (outcome.failed > 0)
    outcome.status = io_status::failed;
  return outcome;
}

udp_socket::send_result
udp_socket::send(const datagram_buffer& batch, std::size_t first,
                 const endpoint& remote,
                 const std::optional<source_address>& source) {
  return transmit(batch.memory(), batch.slices(), first, remote, source);
}

udp_socket::send_result
udp_socket::send(const_byte_span datagram, const endpoint& remote,
                 const std::optional<source_address>& source) {
  if (datagram.size() > 65535)
    return {io_status::failed, 1, 1, 0, EMSGSIZE, false};
  const slice whole{0, static_cast<std::uint16_t>(datagram.size())};
  return transmit(datagram, {&whole, 1}, 0, remote, source);
}

} // namespace weft
