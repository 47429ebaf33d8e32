#include "tests/stores/false_etcd.hpp"

#include "tests/stores/support.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sodium.h>
#include <sys/socket.h>

#include <charconv>

namespace weft::test {

namespace {

constexpr auto base64 = sodium_base64_VARIANT_ORIGINAL;
constexpr auto id_key = "weft/test/id";

std::string to_base64(const std::string& bytes) {
  std::string text(sodium_base64_ENCODED_LEN(bytes.size(), base64), '\0');
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());
  sodium_bin2base64(text.data(), text.size(), from, bytes.size(), base64);
  text.pop_back(); // the zero at the end
  return text;
}

nlohmann::json
range_of(const std::vector<std::string>& keys, const std::string& value) {
  nlohmann::json made{{"header", {{"cluster_id", "7"}, {"revision", "40"}}},
                      {"kvs", nlohmann::json::array()}};
  for (const auto& key : keys)
    made["kvs"].push_back({{"key", to_base64(key)},
                           {"value", to_base64(value)},
                           {"mod_revision", "12"}});
  return made;
}

sockaddr_in loopback() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// The generic form of an address.
template <class Address>
auto* generic(Address& address) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  return reinterpret_cast<sockaddr*>(&address);
}

/// The length that a head announces.
std::size_t length_in(const std::string& head) {
  constexpr std::string_view name = "Content-Length: ";
  const auto at = head.find(name);
  std::size_t length = 0;
  if (at != std::string::npos)
    std::from_chars(head.data() + at + name.size(), head.data() + head.size(),
                    length);
  return length;
}

bool read_more(const file_descriptor& client, std::string& into) {
  std::array<char, 65536> part{};
  const auto size = ::recv(client.get(), part.data(), part.size(), 0);
  if (size > 0)
    into.append(part.data(), static_cast<std::size_t>(size));
  return size > 0;
}

void write_all(const file_descriptor& client, std::string_view text) {
  while (!text.empty()) {
    const auto sent
      = ::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0)
      return; // it wants no more
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

} // namespace

false_etcd::false_etcd(answers given)
  : answers_(std::move(given)),
    listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  auto address = loopback();
  REQUIRE(::bind(listening_.get(), generic(address), sizeof address) == 0);
  REQUIRE(::listen(listening_.get(), 16) == 0);
  thread_ = std::thread([this] { serve(); });
}

false_etcd::~false_etcd() {
  ::shutdown(listening_.get(), SHUT_RDWR);
  thread_.join();
}

etcd_settings false_etcd::settings() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(listening_.get(), generic(address), &size) == 0);
  etcd_settings made;
  made.endpoints
    = {"http://127.0.0.1:" + std::to_string(ntohs(address.sin_port))};
  made.prefix = "weft/test/";
  made.writer = "alpha";
  made.patience = std::chrono::seconds{30};
  return made;
}

std::string
false_etcd::plain_answer(const std::string& path, const nlohmann::json& asked) {
  if (path == "/v3/kv/range" && from_base64(asked.at("key")) == id_key)
    return range_of({id_key}, std::string(16, 'i') + "7").dump();
  return range({});
}

std::string false_etcd::range(const std::vector<std::string>& keys, bool more) {
  auto made = range_of(keys, "x");
  made["more"] = more;
  return made.dump();
}

std::string false_etcd::from_base64(const std::string& text) {
  std::string bytes(text.size(), '\0');
  std::size_t size = 0;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  auto* to = reinterpret_cast<unsigned char*>(bytes.data());
  sodium_base642bin(to, bytes.size(), text.data(), text.size(), nullptr, &size,
                    nullptr, base64);
  bytes.resize(size);
  return bytes;
}

void false_etcd::serve() {
  while (true) {
    const file_descriptor client{
      ::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (!client)
      return;
    answer(client);
  }
}

void false_etcd::answer(const file_descriptor& client) {
  constexpr std::string_view blank_line = "\r\n\r\n";
  std::string request;
  auto body = std::string::npos;
  while (body == std::string::npos) {
    if (!read_more(client, request))
      return;
    body = request.find(blank_line);
  }
  body += blank_line.size();
  while (request.size() < body + length_in(request.substr(0, body))) {
    if (!read_more(client, request))
      return;
  }
  const auto from = request.find(' ') + 1;
  const auto path = request.substr(from, request.find(' ', from) - from);
  if (path == "/v3/watch")
    ++watches_;
  const auto text = answers_(path, nlohmann::json::parse(request.substr(body)));
  if (text.empty())
    return;
  write_all(client, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: "
                      + std::to_string(text.size()) + "\r\n\r\n");
  write_all(client, text);
}

} // namespace weft::test
