#include "actors/network/member_files.hpp"

#include "platform/files.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>

namespace weft {

namespace {

constexpr const char* marks_name = "marks";
constexpr const char* items_name = "items";
constexpr const char* secrets_name = "secrets";
constexpr unsigned secret_mode = 0600;
constexpr unsigned public_mode = 0644;
constexpr std::size_t most_secrets_bytes = 4096;

tl::unexpected<system_error>
wrong(const std::string& file, const std::string& what,
      const std::string& remedy = {}) {
  return tl::unexpected(system_error{
    0, file + ": " + what + (remedy.empty() ? "" : ". " + remedy)});
}

std::string_view text_of(const byte_vector& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Nothing: there is no such file.
result<std::optional<secret_text>>
read_if_there(const std::string& path, std::size_t most) {
  auto read = load_any_file(path, most);
  if (!read && read.error().code == ENOENT)
    return std::nullopt;
  if (!read)
    return tl::unexpected(read.error());
  return std::move(read->text);
}

result<std::vector<byte_vector>> load_certificates(const std::string& path) {
  const auto text = load_file(path, file_privacy::any);
  if (!text)
    return tl::unexpected(text.error());
  auto certificates = read_pem_certificates(text->view());
  if (!certificates)
    return wrong(path, certificates.error().message);
  if (certificates->empty())
    return wrong(path, "it has no certificate");
  return certificates;
}

result<network_certificate> load_root(const std::string& path) {
  const auto certificates = load_certificates(path);
  if (!certificates)
    return tl::unexpected(certificates.error());
  if (certificates->size() != 1)
    return wrong(path, "a network's root is one certificate, here are "
                         + std::to_string(certificates->size()));
  auto root = read_network_certificate(certificates->front());
  if (!root)
    return wrong(path, root.error().what);
  if (!std::holds_alternative<root_contents>(root->contents))
    return wrong(path, "this is no root of a network, but the certificate of a "
                         + std::string{role_of(root->contents)});
  return std::move(*root);
}

result<signing_seed> load_seed(const std::string& path) {
  const auto text = load_file(path, file_privacy::owner_only);
  if (!text)
    return tl::unexpected(text.error());
  auto seed = read_pem_seed(text->view());
  if (!seed)
    return wrong(path, seed.error().message);
  return seed;
}

/// What of a file can be used; nothing: it is spoilt.
template <class T, class Read>
result<std::optional<T>> read_kept(const std::string& path, Read read) {
  const auto text = read_if_there(path, most_kept_bytes);
  if (!text)
    return tl::unexpected(text.error());
  if (!*text)
    return T{};
  auto kept = read(bytes_of((*text)->view()));
  if (kept)
    return std::move(*kept);
  if (kept.error().why == refusal::wrong_network)
    return wrong(path, kept.error().what,
                 "Each network needs a folder of its own; is this one left "
                 "from another network, remove it");
  return std::nullopt;
}

} // namespace

// -- who a member is ---------------------------------------------------------

accepted<member_identity>
make_identity(const network_certificate& root, std::vector<byte_vector> chain,
              const signing_seed& seed) {
  if (chain.size() != 2)
    return refuse(refusal::malformed,
                  "here must be two certificates, the node's own and then its "
                  "issuer's");
  const auto verified = verify_issuer(root, chain[1], root.from);
  if (!verified)
    return tl::unexpected(verified.error());
  auto issuer = read_network_certificate(chain[1]);
  if (!issuer)
    return tl::unexpected(issuer.error());
  auto own = verify_issued(*issuer, chain[0]);
  if (!own)
    return tl::unexpected(own.error());
  const auto member = to_verified(*own, *issuer);
  if (!member)
    return tl::unexpected(member.error());
  if (own->key != derive_verifying_key(seed))
    return refuse(refusal::unproven_key,
                  "the certificate is not of the key that is beside it");
  return member_identity{root, std::move(*issuer), std::move(*own),
                         std::move(chain), seed};
}

result<member_identity> load_identity(const network_config& config) {
  const auto root = load_root(config.root);
  if (!root)
    return tl::unexpected(root.error());
  auto chain = load_certificates(config.certificate);
  if (!chain)
    return tl::unexpected(chain.error());
  const auto seed = load_seed(config.key);
  if (!seed)
    return tl::unexpected(seed.error());
  auto made = make_identity(*root, std::move(*chain), *seed);
  if (!made)
    return wrong(config.certificate, made.error().what,
                 "It must be a member's under " + config.root
                   + ", of the key in " + config.key
                   + "; 'weft network join' gets one");
  const auto& name = std::get<root_contents>(root->contents).name;
  if (!config.name.empty() && config.name != name)
    return wrong(config.root, "this is the root of the network '" + name
                                + "', not of '" + config.name + "'");
  return std::move(*made);
}

result<void> write_certificates(const std::string& path,
                                const std::vector<byte_vector>& chain) {
  return replace_file(path, to_pem(chain), public_mode);
}

// -- what its network has told -----------------------------------------------

result<std::shared_ptr<member_files>>
member_files::open(const std::string& folder) {
  if (auto made = make_private_folder(folder); !made)
    return tl::unexpected(made.error());
  auto lock = lock_folder(folder);
  if (!lock)
    return tl::unexpected(lock.error());
  return std::shared_ptr<member_files>(
    new member_files(folder, std::move(*lock)));
}

std::string member_files::path(const char* name) const {
  return folder_ + '/' + name;
}

result<member_files::contents>
member_files::read(const network_id& network) const {
  contents all;
  const auto marks
    = read_kept<view_marks>(path(marks_name), [&](const_byte_span bytes) {
        return read_marks(network, bytes);
      });
  if (!marks)
    return tl::unexpected(marks.error());
  auto beside = read_kept<std::vector<network_item>>(
    path(marks_name),
    [&](const_byte_span bytes) { return read_marked_items(network, bytes); });
  if (!beside)
    return tl::unexpected(beside.error());
  auto items = read_kept<std::vector<network_item>>(
    path(items_name),
    [&](const_byte_span bytes) { return read_items(network, bytes); });
  if (!items)
    return tl::unexpected(items.error());
  if (!*marks && (!*items || (*items)->empty()))
    return wrong(path(marks_name),
                 "it is spoilt, and so is what it could be made from",
                 "Remove " + folder_ + "/marks and " + folder_
                   + "/items to begin anew: what this node hears first counts "
                     "as newest then, so be sure of the directory");
  if (!*marks)
    all.notes.push_back(path(marks_name) + " is spoilt; it is made anew from "
                        + items_name);
  if (!*items)
    all.notes.push_back(path(items_name)
                        + " is spoilt; peers come when a directory is reached");
  all.marks = marks->value_or(view_marks{});
  all.items = std::move(*items).value_or(std::vector<network_item>{});
  if (*beside)
    std::move((*beside)->begin(), (*beside)->end(),
              std::back_inserter(all.items));
  const auto secrets = read_if_there(path(secrets_name), most_secrets_bytes);
  if (!secrets)
    return tl::unexpected(secrets.error());
  if (*secrets) {
    auto epochs = parse_secrets((*secrets)->view());
    if (!epochs)
      all.notes.push_back(
        path(secrets_name)
        + " is spoilt: members with preshared keys are not reached until this "
          "node has renewed its certificate, which brings the secret; at once "
          "by 'weft network leave --force' and then 'weft network join'");
    else
      all.epochs = std::move(*epochs);
  }
  return all;
}

result<void> member_files::write_marks(const byte_vector& encoded) const {
  return replace_file(path(marks_name), text_of(encoded), secret_mode);
}

result<void> member_files::write_items(const byte_vector& encoded) const {
  return replace_file(path(items_name), text_of(encoded), secret_mode);
}

result<void> member_files::write_secrets(const preshared_epochs& epochs) const {
  auto text = format_secrets(epochs);
  const text_wiper wiped(text);
  return replace_file(path(secrets_name), text, secret_mode);
}

result<void> keep_joining_secret(const std::string& folder,
                                 const epoch_secret& secret, network_time now) {
  const auto files = member_files::open(folder);
  if (!files)
    return tl::unexpected(files.error());
  const auto text
    = read_if_there(folder + '/' + secrets_name, most_secrets_bytes);
  if (!text)
    return tl::unexpected(text.error());
  preshared_epochs epochs;
  if (*text)
    epochs = parse_secrets((*text)->view()).value_or(preshared_epochs{});
  if (!epochs.add(secret, now))
    return {}; // it is there, or a newer one
  return (*files)->write_secrets(epochs);
}

} // namespace weft
