// Which socket of a port gets a message: a program that the kernel runs when
// the message arrives (classic BPF, which needs no privileges).  It sees the
// message from its first byte, and the IP header at SKF_NET_OFF.
#include "platform/linux/socket_address.hpp"
#include "platform/random.hpp"
#include "platform/udp_socket.hpp"
#include "protocol/base/wireguard.hpp"

#include <linux/filter.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace weft {

namespace {

/// Numbers of the sockets, in the order in which they were bound.
constexpr std::uint32_t of_peers = 0;
constexpr std::uint32_t of_strangers = 1;

/// Behind them are UDP's ports, the source's first.
constexpr auto v4_header = static_cast<std::uint32_t>(ipv4_header_size);
constexpr auto v6_header = static_cast<std::uint32_t>(ipv6_header_size);

/// Where the kernel shows the IP header to a program.
constexpr std::uint32_t ip_header = static_cast<std::uint32_t>(SKF_NET_OFF);

using factors = std::array<std::uint32_t, 5>;

/// The same for all programs of this process.
const factors& secret_factors() {
  static const auto drawn = [] {
    system_random random;
    factors made{};
    for (auto& factor : made)
      factor = random.next_u32() | 1;
    return made;
  }();
  return drawn;
}

class filter_program {
public:
  explicit filter_program(ip_family family) : family_(family) {
  }

  /// Ends the program here unless it is a transport message.
  void require_transport() {
    add(BPF_LD | BPF_W | BPF_LEN, 0);
    require(BPF_JGE, wire::transport_min_size);
    add(BPF_LD | BPF_W | BPF_ABS, 0);
    require(BPF_JEQ, static_cast<std::uint32_t>(message_type::transport) << 24);
  }

  /// Ends the program with whether the message comes from one of `known`.  An
  /// endpoint is known by a hash with secret factors: nobody can choose an
  /// address that is taken for another one.
  void decide_by_source(std::span<const endpoint> known) {
    load_source();
    std::vector<std::uint32_t> hashes;
    for (const auto& where : known)
      hashes.push_back(hash(where));
    std::sort(hashes.begin(), hashes.end());
    search(hashes);
  }

  void end(std::uint32_t number) {
    add(BPF_RET | BPF_K, number);
  }

  std::vector<sock_filter>& instructions() {
    return instructions_;
  }

private:
  void add(int code, std::uint32_t operand, std::uint8_t if_true = 0,
           std::uint8_t if_false = 0) {
    instructions_.push_back(
      {static_cast<std::uint16_t>(code), if_true, if_false, operand});
  }
  /// To the strangers unless the accumulator is right.
  void require(int comparison, std::uint32_t operand) {
    add(BPF_JMP | comparison | BPF_K, operand, 1, 0);
    end(of_strangers);
  }

  /// The bytes of the address, 32 bits at a time, and the port.
  std::vector<std::uint32_t> words_of(const endpoint& where) const {
    std::vector<std::uint32_t> words;
    for (std::size_t at = 0; at < where.address.size(); at += 4) {
      std::uint32_t word = 0;
      for (std::size_t i = 0; i < 4; ++i)
        word
          = word << 8 | static_cast<std::uint32_t>(where.address.bytes[at + i]);
      words.push_back(word);
    }
    words.push_back(where.port);
    return words;
  }
  std::uint32_t hash(const endpoint& where) const {
    const auto words = words_of(where);
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < words.size(); ++i)
      sum += words[i] * factors_[i];
    return sum;
  }

  /// Loads the hash of the sender.  IP options and extension headers, which
  /// nobody sends, are for strangers.
  void load_source() {
    const auto v4 = family_ == ip_family::v4;
    add(BPF_LD | BPF_B | BPF_ABS, ip_header + (v4 ? 0 : 6));
    require(BPF_JEQ, v4 ? 0x45U : std::uint32_t{IPPROTO_UDP});
    const std::uint32_t address = v4 ? 12 : 8;
    const std::uint32_t length = v4 ? 4 : 16;
    add(BPF_LD | BPF_H | BPF_ABS, ip_header + (v4 ? v4_header : v6_header));
    add(BPF_ALU | BPF_MUL | BPF_K, factors_[length / 4]);
    for (std::uint32_t at = 0; at < length; at += 4) {
      add(BPF_ST, 0);
      add(BPF_LD | BPF_W | BPF_ABS, ip_header + address + at);
      add(BPF_ALU | BPF_MUL | BPF_K, factors_[at / 4]);
      add(BPF_LDX | BPF_MEM, 0);
      add(BPF_ALU | BPF_ADD | BPF_X, 0);
    }
  }

  /// A search tree with a few neighbours in each leaf.
  void search(std::span<const std::uint32_t> sorted) {
    constexpr std::size_t leaf = 4;
    if (sorted.size() <= leaf) {
      for (const auto value : sorted) {
        add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
        end(of_peers);
      }
      end(of_strangers);
      return;
    }
    const auto middle = sorted.size() / 2;
    add(BPF_JMP | BPF_JGE | BPF_K, sorted[middle], 0, 1);
    const auto jump = instructions_.size();
    add(BPF_JMP | BPF_JA, 0); // conditional jumps reach 255 instructions only
    search(sorted.first(middle));
    instructions_[jump].k
      = static_cast<std::uint32_t>(instructions_.size() - jump - 1);
    search(sorted.subspan(middle));
  }

  ip_family family_;
  const factors& factors_ = secret_factors();
  std::vector<sock_filter> instructions_;
};

} // namespace

result<void>
udp_socket::divide(std::optional<std::span<const endpoint>> known) const {
  filter_program program(family_);
  program.require_transport();
  if (known)
    program.decide_by_source(known->first(std::min(known->size(), max_known)));
  else
    program.end(of_peers);
  auto& instructions = program.instructions();
  const sock_fprog attached{static_cast<unsigned short>(instructions.size()),
                            instructions.data()};
  if (::setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &attached,
                   sizeof attached)
      != 0)
    return tl::unexpected(
      make_system_error(errno, "Cannot divide the messages of a UDP port"));
  return {};
}

} // namespace weft
