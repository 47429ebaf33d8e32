#include "protocol/network/token.hpp"

#include "protocol/base/ip.hpp"
#include "protocol/base/sodium.hpp"
#include "protocol/base/text.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace weft {

namespace {

constexpr std::string_view prefix = "weft1-";
constexpr std::size_t checksum_size = 4;
constexpr auto variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;

/// Bytes with a secret among them, wiped at the end.
struct wiped_bytes {
  byte_vector bytes;

  wiped_bytes() = default;
  wiped_bytes(const wiped_bytes&) = delete;
  wiped_bytes& operator=(const wiped_bytes&) = delete;
  ~wiped_bytes() {
    wipe_memory(bytes.data(), bytes.capacity());
  }
  void add(const_byte_span part) {
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
};

/// The parts of a token's bytes; what is not there reads as nothing.
class byte_reader {
public:
  explicit byte_reader(const_byte_span from) : left_(from) {
  }
  const_byte_span take(std::size_t count) {
    if (count > left_.size()) {
      failed_ = true;
      return {};
    }
    const auto part = left_.first(count);
    left_ = left_.subspan(count);
    return part;
  }
  void read(byte_span out) {
    const auto part = take(out.size());
    std::copy(part.begin(), part.end(), out.begin());
  }
  template <class Number>
  Number number() {
    const auto part = take(sizeof(Number));
    return part.empty() ? Number{} : load_be<Number>(part.data());
  }
  bool ended() const {
    return !failed_ && left_.empty();
  }
  bool failed() const {
    return failed_;
  }

private:
  const_byte_span left_;
  bool failed_ = false;
};

/// One spelling for each: host names as they are, addresses canonical.
bool is_directory_host(std::string_view host) {
  if (const auto address = parse_ip_address(host))
    return to_string(address->unmapped()) == host && !address->is_unspecified();
  return is_host_name(host);
}

auto checksum(const_byte_span content) {
  byte_array<checksum_size> sum{};
  const auto whole = sha256({bytes_of(prefix), content});
  std::copy_n(whole.begin(), sum.size(), sum.begin());
  return sum;
}

accepted<join_token> mistyped(const std::string& how) {
  return refuse(refusal::malformed, "the token " + how
                                      + ": copy it whole, it begins with "
                                      + std::string{prefix});
}

} // namespace

std::string to_string(const directory_address& address) {
  const bool bracketed = address.host.find(':') != std::string::npos;
  return (bracketed ? '[' + address.host + ']' : address.host) + ':'
         + std::to_string(address.port);
}

accepted<directory_address> parse_directory_address(std::string_view text) {
  directory_address result;
  if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
    auto host = text.substr(0, colon);
    const auto digits = text.substr(colon + 1);
    std::from_chars(digits.data(), digits.data() + digits.size(), result.port);
    if (host.starts_with('[') && host.ends_with(']')) {
      host.remove_prefix(1);
      host.remove_suffix(1);
    }
    result.host = host;
    if (const auto address = parse_ip_address(host))
      result.host = to_string(address->unmapped());
  }
  if (result.port == 0 || !is_directory_host(result.host)
      || !text.ends_with(':' + std::to_string(result.port)))
    return refuse(refusal::malformed,
                  "'" + printable(text)
                    + "' is no address of a directory: write NAME:PORT, "
                      "ADDRESS:PORT or [IPv6]:PORT");
  return result;
}

std::optional<std::string> mistake_in(const join_token& token) {
  if (token.directories.empty() || token.directories.size() > most_directories)
    return "a token has 1 to " + std::to_string(most_directories)
           + " addresses of directories";
  for (const auto& each : token.directories) {
    if (each.port == 0 || !is_directory_host(each.host))
      return "'" + printable(each.host) + "' is no address of a directory";
  }
  return std::nullopt;
}

std::string to_secret_text(const join_token& token) {
  if (const auto mistake = mistake_in(token))
    throw std::invalid_argument(*mistake);
  wiped_bytes content;
  content.bytes.reserve(longest_token); // never moved, which would leave copies
  content.add(token.root);
  content.add(token.seed.bytes());
  content.bytes.push_back(std::byte(token.directories.size()));
  for (const auto& each : token.directories) {
    byte_array<2> port{};
    store_be(port.data(), each.port);
    content.add(port);
    content.bytes.push_back(std::byte(each.host.size()));
    content.add(bytes_of(each.host));
  }
  content.add(checksum(content.bytes));
  const auto size = sodium_base64_encoded_len(content.bytes.size(), variant);
  std::string text(prefix.size() + size - 1, '\0');
  prefix.copy(text.data(), prefix.size());
  sodium_bin2base64(text.data() + prefix.size(), size,
                    sodium::raw(content.bytes.data()), content.bytes.size(),
                    variant);
  return text;
}

accepted<join_token> parse_token(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  if (const auto first = text.find_first_not_of(blanks);
      first != std::string_view::npos)
    text = text.substr(first, text.find_last_not_of(blanks) - first + 1);
  if (!text.starts_with(prefix))
    return mistyped("is none of this version of weft");
  text.remove_prefix(prefix.size());
  if (text.size() > longest_token)
    return mistyped("is too long");
  for (const auto c : text) {
    // libsodium takes some characters beyond ASCII for digits.
    if (!is_letter_or_digit(c) && c != '-' && c != '_')
      return mistyped("has characters that no token has");
  }
  if (text.empty())
    return mistyped("is not whole");
  wiped_bytes content;
  content.bytes.resize(text.size());
  std::size_t length = 0;
  if (sodium_base642bin(sodium::raw(content.bytes.data()), content.bytes.size(),
                        text.data(), text.size(), nullptr, &length, nullptr,
                        variant)
        != 0
      || length < checksum_size)
    return mistyped("is not whole");
  const auto whole = const_byte_span(content.bytes).first(length);
  const auto signed_part = whole.first(length - checksum_size);
  const auto sum = checksum(signed_part);
  if (!std::equal(sum.begin(), sum.end(), whole.end() - checksum_size))
    return mistyped("is mistyped or not whole");

  join_token token;
  byte_reader from(signed_part);
  from.read(token.root);
  from.read(token.seed.bytes());
  const auto count = from.number<std::uint8_t>();
  for (std::size_t i = 0; i < count && !from.failed(); ++i) {
    directory_address address;
    address.port = from.number<std::uint16_t>();
    const auto host = from.take(from.number<std::uint8_t>());
    for (const auto byte : host)
      address.host += std::to_integer<char>(byte);
    token.directories.push_back(std::move(address));
  }
  if (!from.ended() || mistake_in(token))
    return mistyped("is damaged");
  return token;
}

} // namespace weft
