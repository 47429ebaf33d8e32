// What is wrong with the files of a TLS context, before it is needed.
#include "platform/files.hpp"
#include "platform/tls_credentials.hpp"

#include <cerrno>

namespace weft {

namespace {

std::string renewal_of(const std::string& name) {
  return "'weft pki renew " + name + "' makes another one";
}

tls_finding find(std::string tls_files::*file, const system_error& error) {
  // Who checks need not be who runs the daemon.
  return {file, error.code != EACCES && error.code != EPERM, error.message};
}

} // namespace

std::vector<tls_finding>
check_server_files(const tls_files& files, wall_time now) {
  std::vector<tls_finding> found;
  auto authorities = files;
  authorities.revocations.clear();
  const auto trusted = tls::load_trust(authorities);
  if (!trusted) {
    found.push_back(find(&tls_files::authority, trusted.error()));
    return found;
  }
  std::vector<std::string> ignored;
  if (!files.revocations.empty()) {
    const auto newest = tls::recall_numbers(files.memory, ignored);
    if (!newest)
      found.push_back(find(&tls_files::revocations, newest.error()));
    else if (const auto lists = tls::load_trust(files, *newest); !lists)
      found.push_back(find(&tls_files::revocations, lists.error()));
  }
  const auto own = tls::load_identity(files, tls::side::server, *trusted);
  if (!own) {
    const bool is_key
      = own.error().message.find(files.key) != std::string::npos;
    found.push_back(
      find(is_key ? &tls_files::key : &tls_files::certificate, own.error()));
  } else if (const auto soon = ends_soon(own->info.not_after, now)) {
    found.push_back({&tls_files::certificate, false,
                     "The certificate " + files.certificate + ' ' + *soon + ": "
                       + renewal_of(own->info.name)});
  }
  if (const auto soon = ends_soon(trusted->authority.not_after, now))
    found.push_back({&tls_files::authority, false,
                     "The authority " + files.authority + ' ' + *soon
                       + ", and all its certificates with it: make another one "
                         "('weft pki init')"});
  return found;
}

std::optional<std::string>
own_certificate_ends_soon(const tls_files& files, wall_time now) {
  const auto text = load_file(files.certificate, file_privacy::any);
  if (!text)
    return {};
  const auto own = read_certificate(text->view());
  const auto soon = own ? ends_soon(own->not_after, now) : std::nullopt;
  if (!soon)
    return {};
  return "the certificate " + files.certificate + ' ' + *soon + ": "
         + renewal_of(own->name);
}

} // namespace weft
