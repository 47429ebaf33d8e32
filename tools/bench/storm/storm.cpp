#include "tools/bench/storm/storm.hpp"

#include "platform/clock.hpp"

#include <algorithm>

namespace weft::bench {

namespace {

/// Messages that one receive call takes.
constexpr std::size_t receive_count = udp_socket::max_messages;

/// Initiations that are sent before answers are read: so many clients share one
/// socket here, whose buffer must not be what loses their answers.
constexpr std::size_t ask_count = 32;

/// `address` and `number` more.
ip_address following(ip_address address, std::uint32_t number) {
  auto* last = address.bytes.data() + address.size() - 4;
  store_be(last, load_be<std::uint32_t>(last) + number);
  return address;
}

} // namespace

result<std::unique_ptr<handshake_storm>>
handshake_storm::create(const storm_options& options,
                        const std::vector<private_key>& keys) {
  auto socket = udp_socket::open({.family = options.server.address.family});
  if (!socket)
    return tl::unexpected(socket.error());
  auto events = poller::open();
  if (!events)
    return tl::unexpected(events.error());
  if (auto done = events->watch(socket->descriptor(), interest::read, nullptr);
      !done)
    return tl::unexpected(done.error());
  std::unique_ptr<handshake_storm> storm(
    new handshake_storm(options, std::move(*socket), std::move(*events)));
  storm->clients_.reserve(keys.size());
  for (std::uint32_t i = 0; i < keys.size(); ++i)
    storm->clients_.emplace_back(keys[i], options.server_key,
                                 following(options.first_source, i), i);
  return storm;
}

handshake_storm::handshake_storm(storm_options options, udp_socket socket,
                                 poller events)
  : options_(options), socket_(std::move(socket)), events_(std::move(events)),
    memory_(receive_count * udp_socket::receive_stride) {
}

storm_result handshake_storm::run() {
  const auto made = instant_now();
  for (auto& client : clients_)
    client.initiate(made, random_);
  const auto start = boot_now();
  while (done_ < clients_.size() && boot_now() - start < options_.limit) {
    const auto more = ask_some(boot_now());
    if (!retries_.empty())
      events_.set_deadline(
        std::min(retries_.front().when, start + options_.limit));
    const auto ready = !events_.wait(!more).empty();
    const auto now = boot_now();
    if (ready)
      read(now);
    retry_due(now);
  }
  for (const auto& client : clients_) {
    if (client.answered())
      result_.answered.push_back(*client.answered() - start);
    if (client.verify())
      ++result_.verified;
  }
  std::sort(result_.answered.begin(), result_.answered.end());
  return std::move(result_);
}

bool handshake_storm::ask_some(time_point now) {
  const auto window = options_.window == 0 ? clients_.size() : options_.window;
  const auto may_ask
    = [&] { return asked_ < clients_.size() && asked_ - done_ < window; };
  for (std::size_t i = 0; i < ask_count && may_ask(); ++i)
    ask(asked_++, now);
  return may_ask();
}

void handshake_storm::ask(std::size_t number, time_point now) {
  send(number);
  retries_.push_back({now + options_.retry, number});
}

void handshake_storm::send(std::size_t number) {
  const auto& client = clients_[number];
  // A full socket buffer loses the message as a network would: the retry
  // follows.
  std::ignore
    = socket_.send(client.message(), options_.server, client.source());
  ++result_.sent;
}

void handshake_storm::read(time_point now) {
  received_.clear();
  if (socket_.receive(memory_, receive_count, received_)
      != udp_socket::io_status::ok)
    return;
  for (const auto& group : received_) {
    for (std::size_t at = 0; at < group.bytes.size(); at += group.segment_size)
      handle(group.bytes.subspan(at, std::min(group.segment_size,
                                              group.bytes.size() - at)),
             now);
  }
}

void handshake_storm::handle(const_byte_span datagram, time_point now) {
  const auto type = wire::classify(datagram);
  const auto response = type == message_type::response;
  if (!response && type != message_type::cookie_reply)
    return;
  const auto number = load_le<std::uint32_t>(
    datagram.data()
    + (response ? wire::response_receiver : wire::cookie_reply_receiver));
  if (number >= clients_.size() || clients_[number].answered())
    return;
  auto& client = clients_[number];
  if (response) {
    client.take_response(datagram.first<wire::response_size>(), now);
    ++done_;
  } else if (client.take_cookie(datagram.first<wire::cookie_reply_size>(),
                                now)) {
    ++result_.cookies;
    send(number);
  }
}

void handshake_storm::retry_due(time_point now) {
  while (!retries_.empty() && retries_.front().when <= now) {
    const auto number = retries_.front().client;
    retries_.pop_front();
    if (clients_[number].answered())
      continue;
    ++result_.retries;
    clients_[number].initiate(instant_now(), random_);
    ask(number, now);
  }
}

} // namespace weft::bench
