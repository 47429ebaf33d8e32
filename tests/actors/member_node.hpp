// A member of a network: an overlay that is embedded, with a membership beside
// it.
#pragma once

#include "actors/network/member_files.hpp"
#include "actors/network/start_membership.hpp"
#include "platform/files.hpp"
#include "tests/actors/directory_support.hpp"
#include "tests/actors/embedded.hpp"

#include <optional>
#include <set>
#include <string>

namespace weft::test {

/// A node that has joined, with its files.
class member_node {
public:
  member_node(directory_home& net, const std::string& name,
              const signing_seed& token)
    : net_(net), joined_(net.join(token, name)) {
    REQUIRE(joined_.answer);
    const auto write = [&](const char* file, std::string_view text) {
      const auto path = folder_.path() + '/' + file;
      REQUIRE(replace_file(path, text, 0600));
      return path;
    };
    config.root
      = write("root.pem",
              to_pem(std::vector<byte_vector>{net.pki.root.certificate.der}));
    config.certificate = write("member.pem", to_pem(joined_.identity.chain));
    config.key
      = write("member.key", must(to_pem(joined_.identity.seed)).view());
    config.directories = {address_of(net.where())};
  }
  /// The same one on another machine: with a copy of its files.
  member_node(directory_home& net, const member_node& of)
    : config(of.config), net_(net), joined_(of.joined_) {
  }
  member_node(const member_node&) = delete;
  member_node& operator=(const member_node&) = delete;
  ~member_node() {
    stop();
  }

  /// A new overlay, and the membership beside it.
  void start() {
    overlay_.emplace(net_.home, random_, 1);
    auto& interface = overlay_->options.config.interface;
    interface.private_key = joined_.keys.wireguard;
    overlay_->start({});
    begin();
  }
  void begin() {
    membership_options options;
    options.config = config;
    options.folder = state_folder();
    options.sources.clock = net_.clock;
    options.limits.record = std::chrono::milliseconds{100};
    options.limits.update = std::chrono::milliseconds{50};
    auto started = start_membership(net_.home.system(), overlay_->running.actor,
                                    std::move(options));
    if (!started)
      FAIL(started.error().message);
    membership = *started;
  }
  void end() {
    if (!membership)
      return;
    caf::anon_send(membership, shut_down{});
    net_.home.await_end(membership);
    membership = nullptr;
  }
  void stop() {
    end();
    if (overlay_ && overlay_->running.actor)
      overlay_->stop();
    overlay_.reset();
  }

  device_status status() {
    return overlay_->status();
  }
  network_status network() {
    return status().network.value_or(network_status{});
  }
  /// Of its peers, in order.
  std::set<std::string> peers() {
    std::set<std::string> names;
    for (const auto& each : status().peers)
      names.insert(each.name);
    return names;
  }
  bool has_peers(const std::set<std::string>& names) {
    return eventually([&] { return peers() == names; });
  }
  bool is_connected() {
    return eventually([&] { return !network().directory.empty(); });
  }
  /// Says something with these words in it.
  bool has_trouble(const std::string& words) {
    return eventually(
      [&] { return network().trouble.find(words) != std::string::npos; });
  }
  bool has_no_trouble() {
    return eventually([&] { return network().trouble.empty(); });
  }
  /// That of the certificate on its disk.
  std::uint64_t generation() const {
    return must(load_identity(config)).contents().generation;
  }
  std::string state_folder() const {
    return folder_.path() + "/network";
  }
  const member_contents& contents() const {
    return joined_.contents;
  }
  const network_identity& identity() const {
    return joined_.identity;
  }
  embedded_overlay& overlay() {
    return *overlay_;
  }

  network_config config;
  membership_actor membership;

private:
  directory_home& net_;
  joined_member joined_;
  temporary_folder folder_;
  deterministic_random random_{77};
  std::optional<embedded_overlay> overlay_;
};

/// Starts the network's directory, and returns a token for so many members.
inline signing_seed
start_and_invite(directory_home& net, std::uint64_t members = 1) {
  net.start();
  return net.issuer.invite(members);
}

/// A network with a directory and a member, which is to be started.
struct one_member {
  directory_home net;
  member_node beta{net, "beta", start_and_invite(net)};
};

/// A network with a directory and two members, which are to be started.
struct two_members {
  /// Starts both; the first one has the other one as its peer.
  void connect() {
    beta.start();
    gamma.start();
    REQUIRE(beta.has_peers({"gamma"}));
  }

  directory_home net;
  signing_seed token = start_and_invite(net, 2);
  member_node beta{net, "beta", token};
  member_node gamma{net, "gamma", token};
};

} // namespace weft::test
