#include "platform/tls_credentials.hpp"

#include "platform/files.hpp"
#include "platform/tls_errors.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>

namespace weft::tls {

namespace {

using context_handle = x509::handle<X509_STORE_CTX, X509_STORE_CTX_free>;

struct free_stack {
  void operator()(STACK_OF(X509) * certificates) const {
    sk_X509_free(certificates); // they have owners
  }
};

template <std::uint32_t Usage>
int check_usage(int accepted, X509_STORE_CTX* context) {
  if (accepted == 0 || X509_STORE_CTX_get_error_depth(context) != 0)
    return accepted;
  auto* leaf = X509_STORE_CTX_get_current_cert(context);
  if ((X509_get_extension_flags(leaf) & EXFLAG_XKUSAGE) != 0
      && (X509_get_extended_key_usage(leaf) & Usage) != 0)
    return 1;
  X509_STORE_CTX_set_error(context, X509_V_ERR_INVALID_PURPOSE);
  return 0;
}

system_error refusal(std::string what, std::string remedy = {}) {
  return make_system_error(0, std::move(what), std::move(remedy));
}

result<secret_text> load(const std::string& path, file_privacy privacy) {
  auto text = load_file(path, privacy);
  if (!text && text.error().code == ENOENT)
    text.error().message += ". 'weft pki' makes it, unless the path is wrong";
  return text;
}

/// The authority that signed the list, or null.
const X509*
signer_of(X509_CRL* list, const std::vector<x509::certificate>& authorities) {
  for (const auto& one : authorities) {
    if (X509_NAME_cmp(X509_CRL_get_issuer(list),
                      X509_get_subject_name(one.get()))
          == 0
        && X509_CRL_verify(list, X509_get0_pubkey(one.get())) == 1)
      return one.get();
  }
  ERR_clear_error();
  return nullptr;
}

result<list_numbers>
add_revocations(X509_STORE* store, const std::string& path,
                const std::vector<x509::certificate>& authorities) {
  const auto text = load(path, file_privacy::any);
  if (!text)
    return tl::unexpected(text.error());
  const auto what = "The list of revocations in " + path;
  const auto lists = x509::parse_revocations(text->view(), what);
  if (!lists)
    return tl::unexpected(lists.error());
  std::vector<const X509*> covered;
  list_numbers numbers;
  for (const auto& list : *lists) {
    const auto* signer = signer_of(list.get(), authorities);
    if (signer == nullptr)
      return tl::unexpected(
        refusal(what + " was signed by another authority",
                "It must be the list of the authority that is configured"));
    X509_STORE_add_crl(store, list.get());
    covered.push_back(signer);
    auto& highest = numbers[x509::info_of(signer).fingerprint];
    if (auto number = x509::number_of(list.get());
        x509::is_lower(highest, number))
      highest = std::move(number);
  }
  for (const auto& one : authorities) {
    if (std::find(covered.begin(), covered.end(), one.get()) == covered.end())
      return tl::unexpected(
        refusal(what + " is not that of the authority '"
                  + x509::info_of(one.get()).name + "'",
                "Add the lists of all authorities to the file"));
  }
  X509_STORE_set_flags(store,
                       X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return numbers;
}

/// An older list knows less of those that were revoked.
result<void> check_age(const list_numbers& numbers, const list_numbers& newest,
                       const tls_files& files) {
  for (const auto& [authority, number] : numbers) {
    const auto known = newest.find(authority);
    if (known != newest.end() && x509::is_lower(number, known->second))
      return tl::unexpected(refusal(
        "The list of revocations in " + files.revocations
          + " is older than one that was in force before",
        "Bring the newest crl.pem of the authority"
          + (files.memory.empty()
               ? std::string{}
               : ". Only if that one is lost: remove " + files.memory)));
  }
  return {};
}

/// What is wrong with the own certificate.
system_error explain(const verdict& found, const tls_files& files, side role) {
  std::string remedy;
  if (found.code == X509_V_ERR_INVALID_PURPOSE)
    remedy
      = std::string("Issue one with 'weft pki issue NAME --role ")
        + (role == side::server ? "node'" : "operator' or '--role viewer'");
  else if (found.code == X509_V_ERR_CERT_HAS_EXPIRED && found.depth == 0)
    remedy = "'weft pki issue' renews it";
  else if (found.code == X509_V_ERR_CERT_HAS_EXPIRED)
    return refusal("The authority in " + files.authority + " has expired",
                   "Make a new one, and new certificates");
  else
    remedy = "The authority is that in " + files.authority;
  return refusal("The certificate " + files.certificate + ' '
                   + describe_certificate(found.code, role, ""),
                 remedy);
}

} // namespace

SSL_verify_cb usage_check(side role) {
  return role == side::server ? check_usage<XKU_SSL_SERVER>
                              : check_usage<XKU_SSL_CLIENT>;
}

result<trust> load_trust(const tls_files& files, const list_numbers& newest) {
  const auto text = load(files.authority, file_privacy::any);
  if (!text)
    return tl::unexpected(text.error());
  const auto authorities = x509::parse_certificates(
    text->view(), "The authority's certificate " + files.authority);
  if (!authorities)
    return tl::unexpected(authorities.error());
  trust loaded{x509::store{X509_STORE_new()}, {}, {}};
  if (!loaded.store)
    return tl::unexpected(x509::failure("Cannot keep certificates"));
  for (const auto& one : *authorities) {
    if (X509_check_ca(one.get()) == 0)
      return tl::unexpected(
        refusal("The certificate of '" + x509::info_of(one.get()).name + "' in "
                  + files.authority + " is no authority's",
                "It is the file ca.pem of 'weft pki' that belongs here"));
    X509_STORE_add_cert(loaded.store.get(), one.get());
    auto info = x509::info_of(one.get());
    if (loaded.authority.serial.empty()
        || info.not_after < loaded.authority.not_after)
      loaded.authority = std::move(info);
  }
  if (!files.revocations.empty()) {
    auto added
      = add_revocations(loaded.store.get(), files.revocations, *authorities);
    if (!added)
      return tl::unexpected(added.error());
    if (auto fine = check_age(*added, newest, files); !fine)
      return tl::unexpected(fine.error());
    loaded.numbers = std::move(*added);
  }
  return loaded;
}

result<identity>
load_identity(const tls_files& files, side role, const trust& who) {
  const auto text = load(files.certificate, file_privacy::any);
  if (!text)
    return tl::unexpected(text.error());
  const auto key_text = load(files.key, file_privacy::owner_only);
  if (!key_text)
    return tl::unexpected(key_text.error());
  auto chain = x509::parse_certificates(text->view(),
                                        "The certificate " + files.certificate);
  if (!chain)
    return tl::unexpected(chain.error());
  auto key = x509::parse_key(key_text->view(), "The key " + files.key);
  if (!key)
    return tl::unexpected(key.error());
  auto* own = chain->front().get();
  if (X509_check_private_key(own, key->get()) != 1) {
    ERR_clear_error();
    return tl::unexpected(refusal("The key " + files.key
                                    + " does not belong to the certificate "
                                    + files.certificate,
                                  "Copy both from the folder of 'weft pki'"));
  }
  const std::unique_ptr<STACK_OF(X509), free_stack> others{sk_X509_new_null()};
  for (const auto& one : *chain)
    sk_X509_push(others.get(), one.get());
  const auto found = verify(who, {.role = role,
                                  .leaf = own,
                                  .others = others.get(),
                                  .ignore_revocations = true});
  if (found.code != X509_V_OK)
    return tl::unexpected(explain(found, files, role));
  auto info = x509::info_of(own);
  return identity{std::move(*chain), std::move(*key), std::move(info)};
}

verdict verify(const trust& who, const question& what) {
  ERR_clear_error();
  const context_handle context{X509_STORE_CTX_new()};
  if (!context
      || X509_STORE_CTX_init(context.get(), who.store.get(), what.leaf,
                             what.others)
           != 1)
    return {X509_V_ERR_OUT_OF_MEM, 0};
  X509_STORE_CTX_set_default(
    context.get(), what.role == side::server ? "ssl_server" : "ssl_client");
  auto* rules = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_auth_level(rules, security_level);
  if (what.rules != nullptr)
    X509_VERIFY_PARAM_set1(rules, what.rules);
  if (what.at)
    X509_VERIFY_PARAM_set_time(rules, std::chrono::floor<std::chrono::seconds>(
                                        what.at->time_since_epoch())
                                        .count());
  if (what.ignore_revocations)
    X509_VERIFY_PARAM_clear_flags(rules, X509_V_FLAG_CRL_CHECK
                                           | X509_V_FLAG_CRL_CHECK_ALL);
  X509_STORE_CTX_set_verify_cb(context.get(), usage_check(what.role));
  const bool fine = X509_verify_cert(context.get()) == 1;
  verdict found{X509_STORE_CTX_get_error(context.get()),
                X509_STORE_CTX_get_error_depth(context.get())};
  if (!fine && found.code == X509_V_OK)
    found.code = X509_V_ERR_UNSPECIFIED;
  ERR_clear_error();
  return found;
}

} // namespace weft::tls
