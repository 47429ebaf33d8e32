#include "tests/actors/directory_support.hpp"

#include "platform/connect.hpp"

#include <poll.h>

#include <array>

namespace weft::test {

namespace {

constexpr int generous = 60'000; // ms

std::optional<refused> welcome_directory(const network_certificate& root,
                                         std::span<const byte_vector> chain) {
  const auto leaf = verify_chain(root, chain, network_pki::now);
  if (!leaf)
    return leaf.error();
  if (!std::holds_alternative<directory_contents>(leaf->contents))
    return refused{refusal::wrong_role, "it is no directory"};
  return std::nullopt;
}

} // namespace

// -- connections -------------------------------------------------------------

frame_connection::frame_connection(network_stream stream)
  : stream_(std::move(stream)) {
}

bool frame_connection::await(tls_status what) {
  const auto event
    = static_cast<short>(what == tls_status::wants_write ? POLLOUT : POLLIN);
  pollfd ready{stream_.descriptor(), event, 0};
  if (::poll(&ready, 1, generous) != 1)
    FAIL("the other end says nothing for a minute");
  return true;
}

bool frame_connection::shake_hands() {
  await(tls_status::wants_write); // it is connected, or not
  for (;;) {
    const auto result = stream_.handshake();
    if (result.status == tls_status::done)
      return true;
    if (result.status == tls_status::closed
        || result.status == tls_status::failed)
      return false;
    await(result.status);
  }
}

void frame_connection::send(const byte_vector& frame) {
  std::size_t sent = 0;
  while (sent < frame.size()) {
    const auto result = stream_.write(const_byte_span(frame).subspan(sent));
    if (result.status == tls_status::done)
      sent += result.bytes;
    else if (result.status == tls_status::closed
             || result.status == tls_status::failed)
      return;
    else
      await(result.status);
  }
}

std::optional<byte_vector> frame_connection::next() {
  for (;;) {
    auto frame = must(reader_.next());
    if (frame)
      return frame;
    std::array<std::byte, 16'384> part{};
    const auto result = stream_.read(part);
    if (result.status == tls_status::done)
      reader_.append(byte_span(part).first(result.bytes));
    else if (result.status == tls_status::closed
             || result.status == tls_status::failed)
      return std::nullopt;
    else
      await(result.status);
  }
}

bool frame_connection::is_ended() {
  while (next())
    continue;
  return true;
}

directory_client::directory_client(const network_tls& tls, const endpoint& to)
  : frame_connection(must(tls.connect(must(start_connect_tcp(to))))) {
}

std::optional<directory_message> directory_client::next_message() {
  for (;;) {
    const auto frame = next();
    if (!frame)
      return std::nullopt;
    if (auto message = must(read_directory_message(*frame)))
      return message;
  }
}

// -- a network ---------------------------------------------------------------

directory_home::directory_home(directory_limits limits)
  : issuer(pki, folder.path() + "/issuer/sock", [this] { return now(); }) {
  options.root = folder.path() + "/root.pem";
  REQUIRE(replace_file(
    options.root, to_pem(std::vector<byte_vector>{pki.root.certificate.der}),
    0600));
  write_files(options.config, pki.directory("alpha"));
  options.config.store.file = folder.path() + "/store/store.db";
  options.config.issuer = folder.path() + "/issuer/sock";
  options.config.listen = parse_endpoint("127.0.0.1:0");
  options.steering_socket = folder.path() + "/steering/sock";
  options.sources.clock = clock;
  options.limits = limits;
}

void directory_home::write_files(directory_config& of,
                                 const network_holder& self) const {
  const auto name
    = std::get<directory_contents>(self.certificate.contents).name;
  of.certificate = folder.path() + '/' + name + ".pem";
  of.key = folder.path() + '/' + name + ".key";
  REQUIRE(replace_file(of.certificate, to_pem(self.chain), 0600));
  REQUIRE(replace_file(of.key, must(to_pem(self.seed)).view(), 0600));
}

directory_state directory_home::state_of(const directory_actor& which) {
  return std::get<directory_state>(
    home.ask<steering_answer>(which, steering_question{ask_directory_state{}}));
}

directory_home::~directory_home() {
  stop();
}

network_time directory_home::now() const {
  return std::chrono::floor<std::chrono::seconds>(clock->wall());
}

void directory_home::start() {
  auto started = start_directory(home.system(), options);
  if (!started)
    FAIL(started.error().message);
  directory = *started;
  ++starts_;
  const auto is_ready = eventually([this] {
    const auto now = state();
    return now.listen && now.loaded && now.items >= 2
           && now.trouble == directory_trouble{};
  });
  REQUIRE(is_ready);
}

void directory_home::stop() {
  if (!directory)
    return;
  caf::anon_send(directory, shut_down{});
  home.await_end(directory);
  directory = nullptr;
}

endpoint directory_home::where() {
  return state().listen.value();
}

network_tls
directory_home::tls_of(const network_identity& self, const network_pki& of) {
  return must(network_tls::member(
    self, [root = of.root.certificate](network_purpose,
                                       std::span<const byte_vector> chain) {
      return welcome_directory(root, chain);
    }));
}

join_keys directory_home::draw_keys(const signing_seed& token) {
  return {token, draw_signing_seed(pki.random),
          generate_private_key(pki.random)};
}

joined_member directory_home::join(const signing_seed& token,
                                   const std::optional<std::string>& name) {
  return join(draw_keys(token), name);
}

joined_member directory_home::join(const join_keys& keys,
                                   const std::optional<std::string>& name) {
  const auto tls = must(network_tls::joiner(
    [root = pki.root.certificate](network_purpose,
                                  std::span<const byte_vector> chain) {
      return welcome_directory(root, chain.first(2));
    }));
  directory_client client(tls, where());
  if (!client.shake_hands())
    FAIL(client.stream().failure());
  const auto challenge = client.next().value();
  join_challenge from;
  REQUIRE(challenge.size() == from.ephemeral.bytes.size());
  std::copy(challenge.begin(), challenge.end(), from.ephemeral.bytes.begin());
  const auto asked = prove(keys, pki.network, name,
                           client.stream().exporter(join_exporter_label), from);
  client.send(with_length(encode(asked.value())));
  joined_member result{
    keys, must(read_join_answer(client.next().value())), {}, {}};
  if (result.answer) {
    result.identity.chain = result.answer->certificates;
    result.identity.seed = keys.certificate;
    result.contents = std::get<member_contents>(
      must(read_network_certificate(result.identity.chain.front())).contents);
  }
  return result;
}

directory_client directory_home::connect(const joined_member& who) {
  return connect(who, where());
}

directory_client
directory_home::connect(const joined_member& who, const endpoint& to) const {
  directory_client client(tls_of(who.identity, pki), to);
  if (!client.shake_hands())
    FAIL(client.stream().failure());
  return client;
}

directory_client directory_home::connect_and_greet(const joined_member& who) {
  auto client = connect(who);
  client.send(member_hello{});
  std::ignore = client.next_of<directory_welcome>();
  return client;
}

} // namespace weft::test
