#include "actors/network/member_folder.hpp"

#include "actors/network/member_files.hpp"
#include "platform/files.hpp"
#include "platform/network_certificates.hpp"
#include "platform/random.hpp"
#include "protocol/base/wipe.hpp"

#include <cerrno>

namespace weft {

namespace {

constexpr unsigned secret_mode = 0600;
constexpr unsigned public_mode = 0644;

bool is_there(const std::string& path) {
  return identify_file(path).has_value();
}

/// What a file of ours has to hold, or else it is not ours.
tl::unexpected<system_error> damaged(const std::string& path) {
  return tl::unexpected(make_system_error(
    EINVAL, path + " holds no key",
    "Restore it, or move it away: a new one is made then, and with another "
    "key the node is another member"));
}

system_error not_taken(const refused& why) {
  return make_system_error(
    EBADMSG, "The certificate that came does not hold: " + why.what,
    "Nothing was taken over; is the clock of this host "
    "right?");
}

result<private_key> wireguard_key_at(const std::string& path) {
  if (!is_there(path)) {
    system_random random;
    const auto key = generate_private_key(random);
    auto text = to_base64(key.bytes()) + '\n';
    const text_wiper end{text};
    if (auto done = replace_file(path, text, secret_mode); !done)
      return tl::unexpected(std::move(done.error()));
    return key;
  }
  const auto text = load_file(path, file_privacy::owner_only);
  if (!text)
    return tl::unexpected(text.error());
  const auto line
    = text->view().substr(0, text->view().find_last_not_of('\n') + 1);
  const auto key = from_base64(line);
  if (!key)
    return damaged(path);
  private_key made{*key};
  clamp(made);
  return made;
}

} // namespace

result<void> write_seed(const std::string& path, const signing_seed& seed) {
  const auto text = to_pem(seed);
  if (!text)
    return tl::unexpected(text.error());
  return replace_file(path, text->view(), secret_mode);
}

result<signing_seed> keep_seed(const std::string& path) {
  if (!is_there(path)) {
    system_random random;
    const auto seed = draw_signing_seed(random);
    if (auto done = write_seed(path, seed); !done)
      return tl::unexpected(std::move(done.error()));
    return seed;
  }
  const auto text = load_file(path, file_privacy::owner_only);
  if (!text)
    return tl::unexpected(text.error());
  auto seed = read_pem_seed(text->view());
  if (!seed)
    return damaged(path);
  return seed;
}

result<join_keys> keep_keys(const node_folder& folder, signing_seed token) {
  if (auto made = make_private_folder(folder.path); !made)
    return tl::unexpected(std::move(made.error()));
  auto certificate = keep_seed(folder.member_key());
  if (!certificate)
    return tl::unexpected(std::move(certificate.error()));
  auto wireguard = wireguard_key_at(folder.wireguard_key());
  if (!wireguard)
    return tl::unexpected(std::move(wireguard.error()));
  return join_keys{std::move(token), std::move(*certificate),
                   std::move(*wireguard)};
}

result<joined_node>
keep_admission(const node_folder& folder, const byte_vector& root,
               const join_admission& admission, const join_keys& keys,
               network_time now) {
  const auto authority = read_network_certificate(root);
  if (!authority)
    return tl::unexpected(not_taken(authority.error()));
  const auto* network = std::get_if<root_contents>(&authority->contents);
  auto leaf = verify_chain(*authority, admission.certificates, now);
  if (!leaf)
    return tl::unexpected(not_taken(leaf.error()));
  const auto* self = std::get_if<member_contents>(&leaf->contents);
  if (network == nullptr || self == nullptr
      || leaf->key != derive_verifying_key(keys.certificate)
      || self->key != derive_public_key(keys.wireguard))
    return tl::unexpected(make_system_error(
      EBADMSG, "The certificate that came is not of this node's keys",
      "Nothing was taken over; the directory that answered is not to be "
      "trusted"));
  if (admission.secret) {
    const auto secret
      = open_with_token(keys.token, *admission.secret, network->network);
    if (!secret)
      return tl::unexpected(make_system_error(
        EBADMSG, "The preshared secret that came cannot be opened",
        "Nothing was taken over; ask for another token"));
    if (auto kept = keep_joining_secret(folder.path, *secret, now); !kept)
      return tl::unexpected(std::move(kept.error()));
  }
  if (auto done
      = replace_file(folder.root(), to_pem(std::span{&root, 1}), public_mode);
      !done)
    return tl::unexpected(std::move(done.error()));
  if (auto done = write_certificates(folder.member(), admission.certificates);
      !done)
    return tl::unexpected(std::move(done.error()));
  return joined_node{*network, *self, leaf->until};
}

} // namespace weft
