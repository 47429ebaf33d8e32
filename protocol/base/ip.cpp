#include "protocol/base/ip.hpp"

#include <algorithm>
#include <charconv>

namespace weft {

namespace {

constexpr std::size_t v6_groups = 8;

/// A decimal number without sign, spaces or leading zeros, not above `limit`.
std::optional<std::uint32_t>
parse_number(std::string_view text, std::uint32_t limit) {
  if (text.empty() || (text.size() > 1 && text.front() == '0'))
    return std::nullopt;
  std::uint32_t value = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end || value > limit)
    return std::nullopt;
  return value;
}

/// One to four hexadecimal digits.
std::optional<std::uint16_t> parse_group(std::string_view text) {
  if (text.empty() || text.size() > 4)
    return std::nullopt;
  std::uint16_t value = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc{} || rest != end)
    return std::nullopt;
  return value;
}

/// Writes the four bytes of a dotted decimal address to `out`.
bool parse_v4(std::string_view text, std::byte* out) {
  for (std::size_t i = 0; i < 4; ++i) {
    const auto dot = text.find('.');
    if ((dot == std::string_view::npos) != (i == 3))
      return false;
    const auto octet = parse_number(text.substr(0, dot), 255);
    if (!octet)
      return false;
    out[i] = static_cast<std::byte>(*octet);
    text.remove_prefix(i == 3 ? text.size() : dot + 1);
  }
  return true;
}

/// Colon-separated groups, the last of which may be a dotted decimal address
/// if `may_embed`.  Appends their bytes to `out`, of which `used` are taken.
bool parse_groups(std::string_view text, bool may_embed, byte_array<16>& out,
                  std::size_t& used) {
  for (;;) {
    const auto colon = text.find(':');
    const auto word = text.substr(0, colon);
    const bool last = colon == std::string_view::npos;
    if (last && may_embed && word.find('.') != std::string_view::npos) {
      if (used + 4 > out.size() || !parse_v4(word, out.data() + used))
        return false;
      used += 4;
      return true;
    }
    const auto group = parse_group(word);
    if (!group || used + 2 > out.size())
      return false;
    store_be(out.data() + used, *group);
    used += 2;
    if (last)
      return true;
    text.remove_prefix(colon + 1);
  }
}

bool parse_v6(std::string_view text, byte_array<16>& out) {
  const auto gap = text.find("::");
  std::size_t used = 0;
  if (gap == std::string_view::npos)
    return parse_groups(text, true, out, used) && used == out.size();
  const auto head = text.substr(0, gap);
  const auto tail = text.substr(gap + 2);
  if (!head.empty() && !parse_groups(head, false, out, used))
    return false;
  byte_array<16> behind{};
  std::size_t behind_used = 0;
  if (!tail.empty() && !parse_groups(tail, true, behind, behind_used))
    return false;
  // "::" stands for at least one group.
  if (used + behind_used + 2 > out.size())
    return false;
  std::memcpy(out.data() + (out.size() - behind_used), behind.data(),
              behind_used);
  return true;
}

void append_number(std::string& out, std::uint32_t value, int base = 10) {
  std::array<char, 10> digits{};
  const auto end
    = std::to_chars(digits.data(), digits.data() + digits.size(), value, base)
        .ptr;
  out.append(digits.data(), end);
}

void append_v4(std::string& out, const std::byte* bytes) {
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0)
      out += '.';
    append_number(out, std::to_integer<std::uint32_t>(bytes[i]));
  }
}

/// The first longest run of at least two zero groups (RFC 5952, 4.2).
struct zero_run {
  std::size_t first = v6_groups;
  std::size_t length = 0;
};

zero_run longest_zero_run(const std::array<std::uint16_t, v6_groups>& groups,
                          std::size_t count) {
  zero_run best;
  for (std::size_t i = 0; i < count;) {
    auto end = i;
    while (end < count && groups[end] == 0)
      ++end;
    if (end - i >= 2 && end - i > best.length)
      best = {i, end - i};
    i = end + 1;
  }
  return best;
}

void append_v6(std::string& out, const byte_array<16>& bytes) {
  std::array<std::uint16_t, v6_groups> groups{};
  for (std::size_t i = 0; i < v6_groups; ++i)
    groups[i] = load_be<std::uint16_t>(bytes.data() + 2 * i);
  // An IPv4-mapped address ends in dotted decimal (RFC 5952, section 5).
  const bool mapped
    = std::all_of(groups.begin(), groups.begin() + 5,
                  [](std::uint16_t group) { return group == 0; })
      && groups[5] == 0xffff;
  const std::size_t count = mapped ? 6 : v6_groups;
  const auto run = longest_zero_run(groups, count);
  for (std::size_t i = 0; i < count;) {
    if (i == run.first) {
      out += "::";
      i += run.length;
      continue;
    }
    if (i > 0 && i != run.first + run.length)
      out += ':';
    append_number(out, groups[i++], 16);
  }
  if (mapped) {
    out += ':';
    append_v4(out, bytes.data() + 12);
  }
}

} // namespace

ip_address ip_address::from_v4(const std::byte* four_bytes) {
  ip_address address{ip_family::v4, {}};
  std::memcpy(address.bytes.data(), four_bytes, 4);
  return address;
}

ip_address ip_address::from_v6(const std::byte* sixteen_bytes) {
  ip_address address{ip_family::v6, {}};
  std::memcpy(address.bytes.data(), sixteen_bytes, 16);
  return address;
}

ip_address ip_address::unmapped() const {
  constexpr std::size_t prefix_size = 12;
  constexpr byte_array<prefix_size> prefix{
    std::byte{0}, std::byte{0}, std::byte{0},    std::byte{0},
    std::byte{0}, std::byte{0}, std::byte{0},    std::byte{0},
    std::byte{0}, std::byte{0}, std::byte{0xff}, std::byte{0xff}};
  if (is_v4() || !std::equal(prefix.begin(), prefix.end(), bytes.begin()))
    return *this;
  return from_v4(bytes.data() + prefix_size);
}

std::optional<ip_address> parse_ip_address(std::string_view text) {
  ip_address address;
  if (text.find(':') == std::string_view::npos) {
    if (!parse_v4(text, address.bytes.data()))
      return std::nullopt;
    return address;
  }
  address.family = ip_family::v6;
  if (!parse_v6(text, address.bytes))
    return std::nullopt;
  return address;
}

std::string to_string(const ip_address& address) {
  std::string out;
  if (address.is_v4())
    append_v4(out, address.bytes.data());
  else
    append_v6(out, address.bytes);
  return out;
}

ip_prefix ip_prefix::network() const {
  auto result = *this;
  for (std::size_t i = 0; i < result.address.bytes.size(); ++i) {
    const auto begin = 8 * i;
    if (begin >= length)
      result.address.bytes[i] = std::byte{0};
    else if (length - begin < 8)
      result.address.bytes[i] &= std::byte{0xff} << (8 - (length - begin));
  }
  return result;
}

bool ip_prefix::contains(const ip_address& other) const {
  return other.family == address.family
         && ip_prefix{other, length}.network() == network();
}

std::optional<ip_prefix> parse_ip_prefix(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = parse_ip_address(text.substr(0, slash));
  if (!address)
    return std::nullopt;
  auto length = std::optional<std::uint32_t>{address->bits()};
  if (slash != std::string_view::npos)
    length = parse_number(text.substr(slash + 1), address->bits());
  if (!length)
    return std::nullopt;
  if (const auto v4 = address->unmapped();
      v4.family != address->family && *length >= address->bits() - v4.bits())
    return ip_prefix{
      v4, static_cast<std::uint8_t>(*length + v4.bits() - address->bits())};
  return ip_prefix{*address, static_cast<std::uint8_t>(*length)};
}

std::string to_string(const ip_prefix& prefix) {
  auto out = to_string(prefix.address);
  out += '/';
  append_number(out, prefix.length);
  return out;
}

std::optional<endpoint> parse_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return std::nullopt;
  const auto port = parse_number(text.substr(colon + 1), 65535);
  auto host = text.substr(0, colon);
  if (!port || host.empty())
    return std::nullopt;
  const bool bracketed = host.front() == '[';
  std::uint32_t scope = 0;
  if (bracketed) {
    if (host.back() != ']')
      return std::nullopt;
    host = host.substr(1, host.size() - 2);
    if (const auto percent = host.find('%');
        percent != std::string_view::npos) {
      const auto zone = parse_number(host.substr(percent + 1), 0xffffffff);
      if (!zone)
        return std::nullopt;
      scope = *zone;
      host = host.substr(0, percent);
    }
  }
  const auto address = parse_ip_address(host);
  if (!address || (!address->is_v4() && !bracketed))
    return std::nullopt;
  const auto plain = address->unmapped();
  if (plain.is_v4() && scope != 0)
    return std::nullopt;
  return endpoint{plain, static_cast<std::uint16_t>(*port), scope};
}

std::string to_string(const endpoint& where) {
  std::string out;
  if (where.address.is_v4()) {
    append_v4(out, where.address.bytes.data());
  } else {
    out += '[';
    append_v6(out, where.address.bytes);
    if (where.scope_id != 0) {
      out += '%';
      append_number(out, where.scope_id);
    }
    out += ']';
  }
  out += ':';
  append_number(out, where.port);
  return out;
}

std::optional<ip_packet_view> parse_ip_packet(const_byte_span packet) {
  if (packet.empty())
    return std::nullopt;
  const auto first = std::to_integer<unsigned>(packet[0]);
  ip_packet_view view;
  if (first >> 4 == 4 && packet.size() >= ipv4_header_size) {
    const auto header = std::size_t{first & 15} * 4;
    view.source = ip_address::from_v4(packet.data() + 12);
    view.destination = ip_address::from_v4(packet.data() + 16);
    view.length = load_be<std::uint16_t>(packet.data() + 2);
    if (header < ipv4_header_size || view.length < header)
      return std::nullopt;
  } else if (first >> 4 == 6 && packet.size() >= ipv6_header_size) {
    view.source = ip_address::from_v6(packet.data() + 8);
    view.destination = ip_address::from_v6(packet.data() + 24);
    view.length = ipv6_header_size + load_be<std::uint16_t>(packet.data() + 4);
  } else {
    return std::nullopt;
  }
  if (view.length > packet.size())
    return std::nullopt;
  return view;
}

} // namespace weft
