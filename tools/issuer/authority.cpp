#include "tools/issuer/authority.hpp"

#include "platform/acting_user.hpp"
#include "platform/files.hpp"
#include "platform/new_folder.hpp"
#include "protocol/network/issuer.hpp"

namespace weft {

namespace {

constexpr auto root_certificate_name = "root.pem";
constexpr auto root_key_name = "root.key";
constexpr auto issuer_certificate_name = "issuer.pem";
constexpr auto issuer_key_name = "issuer.key";
constexpr unsigned secret_mode = 0600;
constexpr unsigned public_mode = 0644;

std::string in(const std::string& folder, const char* name) {
  return folder + '/' + name;
}

tl::unexpected<system_error>
unusable(const std::string& what, const refused& why) {
  return tl::unexpected(make_system_error(0, what + ": " + why.what));
}

std::string to_pem_text(const network_certificate& certificate) {
  return to_pem(std::span(&certificate.der, 1));
}

result<network_certificate> load_certificate(const std::string& path) {
  const auto text = load_file(path, file_privacy::any);
  if (!text)
    return tl::unexpected(text.error());
  const auto all = read_pem_certificates(text->view(), path);
  if (!all)
    return tl::unexpected(all.error());
  if (all->size() != 1)
    return tl::unexpected(
      make_system_error(0, path + ": it is to have one certificate"));
  auto read = read_network_certificate(all->front());
  if (!read)
    return unusable(path, read.error());
  return std::move(*read);
}

result<signing_seed> load_key(const std::string& path) {
  const auto text = load_file(path, file_privacy::owner_only);
  if (!text)
    return tl::unexpected(text.error());
  return read_pem_seed(text->view(), path);
}

/// Both halves, which belong together.
result<network_signer>
load_signer(const std::string& certificate, const std::string& key) {
  auto read = load_certificate(certificate);
  if (!read)
    return tl::unexpected(std::move(read.error()));
  auto seed = load_key(key);
  if (!seed)
    return tl::unexpected(std::move(seed.error()));
  if (derive_verifying_key(*seed) != read->key)
    return tl::unexpected(
      make_system_error(0, key + " is not the key of " + certificate,
                        "Restore both from the same backup"));
  return network_signer{std::move(*read), std::move(*seed)};
}

network_validity validity_from(network_time now, std::chrono::hours lifetime) {
  return {now - certificate_head_start, now + lifetime};
}

/// What an authority is made of, before anything of it is on the disk.
struct drawn_authority {
  signing_seed root_seed;
  authority whole;
};

result<drawn_authority>
draw_authority(const root_contents& root, const issuer_contents& issuer,
               network_time now, random_source& random) {
  drawn_authority drawn{draw_signing_seed(random),
                        {{}, {{}, draw_signing_seed(random)}}};
  auto certificate = make_root_certificate(root, drawn.root_seed,
                                           validity_from(now, root_lifetime));
  if (!certificate)
    return tl::unexpected(std::move(certificate.error()));
  drawn.whole.root = std::move(*certificate);
  auto issuers
    = make_network_certificate(issuer,
                               derive_verifying_key(drawn.whole.issuer.seed),
                               validity_from(now, issuer_lifetime),
                               {drawn.whole.root, drawn.root_seed}, random);
  if (!issuers)
    return tl::unexpected(std::move(issuers.error()));
  drawn.whole.issuer.certificate = std::move(*issuers);
  return drawn;
}

result<void>
put_key(new_folder& into, const char* name, const signing_seed& seed) {
  const auto text = to_pem(seed);
  if (!text)
    return tl::unexpected(text.error());
  return into.put(name, text->view(), secret_mode);
}

result<void> put_all(new_folder& into, const drawn_authority& what) {
  if (auto put = put_key(into, root_key_name, what.root_seed); !put)
    return put;
  if (auto put = put_key(into, issuer_key_name, what.whole.issuer.seed); !put)
    return put;
  if (auto put = into.put(root_certificate_name, to_pem_text(what.whole.root),
                          public_mode);
      !put)
    return put;
  return into.put(issuer_certificate_name,
                  to_pem_text(what.whole.issuer.certificate), public_mode);
}

} // namespace

std::string root_certificate_file(const std::string& folder) {
  return in(folder, root_certificate_name);
}

std::string root_key_file(const std::string& folder) {
  return in(folder, root_key_name);
}

std::string issuer_certificate_file(const std::string& folder) {
  return in(folder, issuer_certificate_name);
}

std::string issuer_key_file(const std::string& folder) {
  return in(folder, issuer_key_name);
}

std::string journal_folder(const std::string& folder) {
  return in(folder, "journal");
}

result<authority>
make_authority(const std::string& folder, const root_contents& root,
               const issuer_contents& issuer, network_time now,
               random_source& random) {
  const auto what = "Cannot make the authority of " + root.name;
  for (const certificate_contents& each :
       {certificate_contents{root}, certificate_contents{issuer}}) {
    if (const auto wrong = find_mistake(each))
      return unusable(what, *wrong);
  }
  if (const auto wrong = find_breach(root, issuer))
    return unusable(what, *wrong);
  auto drawn = draw_authority(root, issuer, now, random);
  if (!drawn)
    return tl::unexpected(std::move(drawn.error()));
  auto made = new_folder::begin(folder);
  if (!made)
    return tl::unexpected(std::move(made.error()));
  if (auto put = put_all(*made, *drawn); !put)
    return tl::unexpected(std::move(put.error()));
  if (auto done = made->finish(); !done)
    return tl::unexpected(std::move(done.error()));
  return std::move(drawn->whole);
}

result<authority> read_authority(const std::string& folder) {
  auto root = load_certificate(root_certificate_file(folder));
  if (!root)
    return tl::unexpected(std::move(root.error()));
  auto issuer
    = load_signer(issuer_certificate_file(folder), issuer_key_file(folder));
  if (!issuer)
    return tl::unexpected(std::move(issuer.error()));
  // Its own times are judged where it signs.
  if (const auto verified
      = verify_issuer(*root, issuer->certificate.der, root->from);
      !verified)
    return unusable(issuer_certificate_file(folder), verified.error());
  return authority{std::move(*root), std::move(*issuer)};
}

result<network_certificate>
renew_issuer(const std::string& folder, network_time now,
             random_source& random) {
  const auto load_root = [&] {
    return load_signer(root_certificate_file(folder), root_key_file(folder));
  };
  // Whoever has put the key back may own it still.
  auto root = load_root();
  const auto owner = acting_user::owner_of(folder);
  if (!owner)
    return tl::unexpected(owner.error());
  if (!root)
    root = load_root();
  if (!root)
    return tl::unexpected(std::move(root.error()));
  const auto present = load_certificate(issuer_certificate_file(folder));
  if (!present)
    return tl::unexpected(present.error());
  // The folder is the issuer's, who must not get more than it had.
  const auto& authority = root->certificate;
  if (const auto verified
      = verify_issuer(authority, present->der, authority.from);
      !verified)
    return unusable(issuer_certificate_file(folder), verified.error());
  auto renewed = make_network_certificate(present->contents, present->key,
                                          validity_from(now, issuer_lifetime),
                                          *root, random);
  if (!renewed)
    return renewed;
  if (auto written = replace_file(issuer_certificate_file(folder),
                                  to_pem_text(*renewed), public_mode);
      !written)
    return tl::unexpected(std::move(written.error()));
  return renewed;
}

} // namespace weft
