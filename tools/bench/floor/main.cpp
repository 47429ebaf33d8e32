// weft_bench_floor: one end of a tunnel without cipher, sessions and actors, by
// the same reads, splits, sends and writes as weft's.  What it costs is the
// floor of what weft can.
//
//   weft_bench_floor INTERFACE PORT ADDRESS:PORT     the far end's address
#include "platform/epoll.hpp"
#include "platform/tun_device.hpp"
#include "platform/udp_socket.hpp"
#include "protocol/packets/coalescer.hpp"

#include <iostream>
#include <stdexcept>

namespace {

using namespace weft;

constexpr std::size_t mtu = 1420;
/// As many super-packets as weft has batches, and as its reader reads.
constexpr std::size_t batch_size = std::size_t{128} << 10;
constexpr std::size_t reads_a_pass = 128;

template <class T>
T take(result<T> made) {
  if (!made)
    throw std::runtime_error(made.error().message);
  return std::move(*made);
}

void expect(const result<void>& done) {
  if (!done)
    throw std::runtime_error(done.error().message);
}

class tunnel_end {
public:
  tunnel_end(const std::string& name, std::uint16_t port, const endpoint& far)
    : far_(far), device_(take(tun_device::create(name))),
      socket_(take(udp_socket::open({.port = port}))),
      events_(take(poller::open())), out_memory_(batch_size), out_(out_memory_),
      in_memory_(most_received * receive_stride),
      joiner_({device_.has_tcp_offload(), device_.has_udp_offload()}) {
    buffers_.read_in_groups(true);
    expect(events_.watch(device_.descriptor(), interest::read, &device_));
    expect(events_.watch(socket_.descriptor(), interest::read, &socket_));
  }

  [[noreturn]] void run() {
    for (;;) {
      for (const auto& event : events_.wait(true)) {
        if (event.tag == &device_)
          read();
        else
          receive();
      }
    }
  }

private:
  void read() {
    for (std::size_t count = 0; count < reads_a_pass;) {
      for (const auto& [status, header, packet] : device_.read_some(buffers_)) {
        if (status == tun_device::io_status::lost)
          throw std::runtime_error("the device is gone");
        if (status != tun_device::io_status::ok)
          return send();
        ++count;
        auto segments = segmenter::create(header, packet);
        while (segments && !segments->split_into(out_, mtu))
          send();
      }
    }
    send();
  }

  /// What finds no room in the socket's buffer is lost.
  void send() {
    for (std::size_t i = 0; i < out_.size(); ++i) {
      store_le(out_[i].data(), std::uint32_t{4}); // a transport message
      store_le(out_[i].data() + wire::transport_receiver, std::uint32_t{0});
      store_le(out_[i].data() + wire::transport_counter, counter_++);
    }
    socket_.send(out_, 0, far_, std::nullopt);
    out_.clear();
  }

  void receive() {
    received_.clear();
    std::ignore = socket_.receive(in_memory_, messages_, received_);
    std::size_t bytes = 0;
    for (const auto& message : received_) {
      bytes += message.bytes.size();
      for (std::size_t at = 0; at < message.bytes.size();
           at += message.segment_size)
        open(message.bytes.subspan(at, std::min(message.segment_size,
                                                message.bytes.size() - at)));
    }
    messages_ = bytes > batch_size ? 4 : most_received; // as udp_port does
    joiner_.flush([this](const super_packet& packet) {
      device_.write(packet.header, packet.fragments);
    });
  }

  void open(byte_span datagram) {
    if (datagram.size() < transport_overhead)
      return;
    const auto packet = datagram.subspan(transport_header_size,
                                         datagram.size() - transport_overhead);
    if (const auto view = parse_ip_packet(packet))
      joiner_.add(packet.first(view->length));
  }

  endpoint far_;
  tun_device device_;
  udp_socket socket_;
  poller events_;
  tun_device::read_buffers buffers_;
  std::vector<std::byte> out_memory_;
  datagram_buffer out_;
  std::uint64_t counter_ = 0;
  std::vector<std::byte> in_memory_;
  std::vector<received_datagrams> received_;
  std::size_t messages_ = most_received;
  coalescer joiner_;
};

} // namespace

int main(int argc, char** argv) {
  try {
    const std::span words{argv, static_cast<std::size_t>(argc)};
    const auto far
      = words.size() == 4 ? parse_endpoint(words[3]) : std::nullopt;
    if (!far) {
      std::cerr << "usage: weft_bench_floor INTERFACE PORT ADDRESS:PORT\n";
      return 2;
    }
    tunnel_end end{words[1], static_cast<std::uint16_t>(std::stoul(words[2])),
                   *far};
    end.run();
  } catch (const std::exception& error) {
    std::cerr << "weft_bench_floor: " << error.what() << '\n';
    return 1;
  }
}
