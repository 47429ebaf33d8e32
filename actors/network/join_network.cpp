#include "actors/network/join_network.hpp"

#include "actors/network/member_files.hpp"
#include "platform/files.hpp"
#include "platform/network_join.hpp"
#include "platform/saved_file.hpp"
#include "protocol/base/wipe.hpp"
#include "protocol/network/ranges.hpp"

#include <cerrno>
#include <tuple>

namespace weft {

namespace {

constexpr unsigned public_mode = 0644;

struct folder_paths {
  explicit folder_paths(const std::string& folder)
    : root(folder + "/root.pem"), certificate(folder + "/member.pem"),
      key(folder + "/member.key"), wireguard(folder + "/wireguard.key"),
      directories(folder + "/directories"), told(folder + "/network") {
  }
  std::string root;
  std::string certificate; ///< written last: it is a member then
  std::string key;
  std::string wireguard;
  std::string directories; ///< a line for each
  std::string told;        ///< the membership's folder
};

/// The first address of each prefix that it owns.
std::vector<ip_prefix> addresses_of(const member_contents& member) {
  std::vector<ip_prefix> all;
  for (const auto& each : member.prefixes) {
    const auto address = own_address(each);
    all.push_back({address, static_cast<std::uint8_t>(address.bits())});
  }
  return all;
}

struct node_keys {
  signing_seed certificate;
  private_key wireguard;
};

tl::unexpected<system_error>
wrong(const std::string& file, const std::string& what) {
  return tl::unexpected(system_error{0, file + ": " + what});
}

/// What a file of secrets has, which `make` writes if there is none.
template <class Make>
result<secret_text> load_or_make(const std::string& path, Make make) {
  auto text = load_file(path, file_privacy::owner_only);
  if (text || text.error().code != ENOENT)
    return text;
  const result<secret_text> made = make();
  if (!made)
    return tl::unexpected(made.error());
  if (auto done = make_secret_file(path, made->view()); !done)
    return tl::unexpected(done.error());
  return load_file(path, file_privacy::owner_only);
}

result<node_keys> load_keys(const folder_paths& paths, random_source& random) {
  const auto wireguard
    = load_or_make(paths.wireguard, [&]() -> result<secret_text> {
        auto text = to_base64(generate_private_key(random).bytes());
        const text_wiper wiped(text);
        return secret_text{text};
      });
  if (!wireguard)
    return tl::unexpected(wireguard.error());
  const auto key = from_base64(wireguard->view());
  if (!key)
    return wrong(paths.wireguard, "it is no private key: 44 characters of "
                                  "base64 are expected");
  const auto certificate = load_or_make(paths.key, [&] {
    return to_pem(draw_signing_seed(random));
  });
  if (!certificate)
    return tl::unexpected(certificate.error());
  auto seed = read_pem_seed(certificate->view());
  if (!seed)
    return wrong(paths.key, seed.error().message);
  return node_keys{std::move(*seed), private_key{*key}};
}

result<void> keep_admission(const folder_paths& paths, const join_token& token,
                            const join_result& made, network_time now) {
  const auto& network = std::get<member_contents>(made.member.contents).network;
  auto done = replace_file(
    paths.root, to_pem(std::vector<byte_vector>{made.root.der}), public_mode);
  std::string directories;
  for (const auto& each : token.directories)
    directories += to_string(each) + '\n';
  if (done)
    done = replace_file(paths.directories, directories, public_mode);
  if (done && made.admission.secret) {
    const auto secret
      = open_with_token(token.seed, *made.admission.secret, network);
    if (!secret)
      return wrong(paths.told, "the preshared secret that came with the "
                               "certificate is not sealed for this token");
    done = keep_joining_secret(paths.told, *secret, now);
  }
  if (done)
    done = write_certificates(paths.certificate, made.admission.certificates);
  return done;
}

result<void>
join(const folder_paths& paths, const join_token& token, const node_keys& keys,
     const std::optional<std::string>& name, network_time now) {
  const auto made
    = ask_to_join({token, keys.certificate, keys.wireguard, name, now});
  if (!made)
    return tl::unexpected(system_error{0, made.error().message});
  return keep_admission(paths, token, *made, now);
}

result<std::vector<directory_address>>
load_directories(const std::string& path) {
  const auto text = load_file(path, file_privacy::any);
  if (!text)
    return tl::unexpected(text.error());
  std::vector<directory_address> all;
  auto rest = text->view();
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    const auto address = parse_directory_address(line);
    if (!address)
      return wrong(path, address.error().what);
    all.push_back(*address);
  }
  return all;
}

} // namespace

result<joined_network>
join_network(caf::actor_system& system, const std::optional<join_token>& token,
             join_network_options options) {
  const folder_paths paths(options.folder);
  if (auto made = make_private_folder(options.folder); !made)
    return tl::unexpected(made.error());
  const auto keys = load_keys(paths, *options.overlay.sources.random);
  if (!keys)
    return tl::unexpected(keys.error());
  if (!identify_file(paths.certificate)) {
    if (!token)
      return wrong(paths.certificate,
                   "this node is in no network yet: it needs a token");
    const auto now = std::chrono::floor<std::chrono::seconds>(
      options.overlay.sources.clock->wall());
    if (auto done = join(paths, *token, *keys, options.name, now); !done)
      return tl::unexpected(done.error());
  }
  membership_options membership;
  membership.config.root = paths.root;
  membership.config.certificate = paths.certificate;
  membership.config.key = paths.key;
  membership.config.endpoints = std::move(options.endpoints);
  membership.folder = paths.told;
  membership.limits = options.limits;
  membership.log = options.overlay.log;
  membership.sources = options.overlay.sources;
  const auto identity = load_identity(membership.config);
  if (!identity)
    return tl::unexpected(identity.error());
  auto directories = load_directories(paths.directories);
  if (!directories)
    return tl::unexpected(directories.error());
  membership.config.directories = std::move(*directories);

  joined_network joined;
  joined.name = identity->contents().name;
  joined.addresses = addresses_of(identity->contents());
  auto& interface = options.overlay.config.interface;
  interface.private_key = keys->wireguard;
  interface.addresses = joined.addresses;
  interface.cluster_networks
    = std::get<root_contents>(identity->root.contents).ranges;
  auto overlay = start_overlay(system, std::move(options.overlay));
  if (!overlay)
    return tl::unexpected(overlay.error());
  joined.overlay = std::move(*overlay);
  auto started
    = start_membership(system, joined.overlay.actor, std::move(membership));
  if (!started) {
    caf::anon_send(joined.overlay.actor, shut_down{});
    return tl::unexpected(started.error());
  }
  joined.membership = std::move(*started);
  return joined;
}

} // namespace weft
