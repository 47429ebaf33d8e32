#include "actors/network/directory_identity.hpp"

#include "platform/files.hpp"

#include <utility>

namespace weft {

namespace {

tl::unexpected<system_error> mistake(std::string what) {
  return tl::unexpected(system_error{0, std::move(what)});
}

result<std::vector<network_certificate>>
load_certificates(const std::string& path, const std::string& what) {
  const auto text = load_file(path, file_privacy::any);
  if (!text)
    return tl::unexpected(text.error());
  const auto place = what + ' ' + path;
  auto read = read_pem_certificates(text->view(), place);
  if (!read)
    return tl::unexpected(read.error());
  std::vector<network_certificate> result;
  for (const auto& each : *read) {
    auto one = read_network_certificate(each);
    if (!one)
      return mistake(place + " is none of a weft network: " + one.error().what);
    result.push_back(std::move(*one));
  }
  return result;
}

result<signing_seed> load_key(const std::string& path) {
  const auto text = load_file(path, file_privacy::owner_only);
  if (!text)
    return tl::unexpected(text.error());
  return read_pem_seed(text->view(), "The directory's key " + path);
}

/// What is wrong with what was read, by itself and together.
result<void>
check(const directory_identity& read, const directory_options& options) {
  const auto& file = options.config.certificate;
  if (!std::holds_alternative<root_contents>(read.root.contents))
    return mistake("The root " + options.root
                   + " is no network's root: give "
                     "the root.pem that `weft network init` has made");
  if (!std::holds_alternative<directory_contents>(read.own.contents))
    return mistake("The certificate " + file + " is of the role "
                   + std::string{role_of(read.own.contents)}
                   + ", not of a directory");
  // Judged within its own time: whether that has come is said each day.
  const auto valid = verify_chain(read.root, read.tls.chain, read.own.from);
  if (!valid)
    return mistake("The certificate " + file + " is not of the network of "
                   + options.root + ": " + valid.error().what);
  if (derive_verifying_key(read.tls.seed) != read.own.key)
    return mistake("The key " + options.config.key
                   + " does not belong to the certificate " + file);
  return {};
}

} // namespace

const root_contents& directory_identity::network() const {
  return std::get<root_contents>(root.contents);
}

const std::string& directory_identity::name() const {
  return std::get<directory_contents>(own.contents).name;
}

const std::string& directory_identity::issuer_name() const {
  return std::get<issuer_contents>(issuer.contents).name;
}

result<directory_identity>
load_directory_identity(const directory_options& options) {
  auto root = load_certificates(options.root, "The root");
  if (!root)
    return tl::unexpected(root.error());
  auto chain = load_certificates(options.config.certificate, "The certificate");
  if (!chain)
    return tl::unexpected(chain.error());
  auto key = load_key(options.config.key);
  if (!key)
    return tl::unexpected(key.error());
  if (root->empty())
    return mistake("The root " + options.root + " has no certificate");
  if (chain->size() != 2
      || !std::holds_alternative<issuer_contents>(chain->back().contents))
    return mistake("The certificate " + options.config.certificate
                   + " has to be followed by its issuer's, and nothing else");
  directory_identity result;
  result.root = std::move(root->front());
  result.own = std::move(chain->front());
  result.issuer = std::move(chain->back());
  result.tls.chain = {result.own.der, result.issuer.der};
  result.tls.seed = std::move(*key);
  result.tls.root = result.root.der;
  if (auto fine = check(result, options); !fine)
    return tl::unexpected(std::move(fine.error()));
  return result;
}

accepted<verified_certificate>
verify_member(const network_certificate& root,
              std::span<const byte_vector> chain, network_time now) {
  const auto member = verify_chain(root, chain, now);
  if (!member)
    return tl::unexpected(member.error());
  if (chain.size() < 2)
    return refuse(refusal::malformed, "the issuer's certificate is missing");
  const auto issuer = read_network_certificate(chain[1]);
  if (!issuer)
    return tl::unexpected(issuer.error());
  return to_verified(*member, *issuer);
}

item_judge
judge_of(network_certificate root, std::function<network_time()> now) {
  item_judge judge;
  judge.issuer
    = [root = std::move(root), now = std::move(now)](const_byte_span issuer) {
        return verify_issuer(root, issuer, now());
      };
  // One issuer has signed many.
  judge.member = [known = std::make_shared<network_certificate>()](
                   const_byte_span member,
                   const_byte_span issuer) -> accepted<verified_certificate> {
    if (issuer.empty()
        || !std::equal(known->der.begin(), known->der.end(), issuer.begin(),
                       issuer.end())) {
      auto read = read_network_certificate(issuer);
      if (!read)
        return tl::unexpected(std::move(read.error()));
      *known = std::move(*read);
    }
    const auto verified = verify_issued(*known, member);
    if (!verified)
      return tl::unexpected(verified.error());
    return to_verified(*verified, *known);
  };
  return judge;
}

} // namespace weft
