// What is wrong with the files of a TLS context, before it is needed.
#include "platform/tls_credentials.hpp"

#include <cerrno>

namespace weft {

namespace {

constexpr std::chrono::hours notice{24 * 30};

std::string days_until(wall_time end, wall_time now) {
  const auto days = std::chrono::floor<std::chrono::days>(end - now).count();
  return days < 1 ? "within a day" : "in " + std::to_string(days) + " days";
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
  } else if (own->info.not_after - now < notice) {
    found.push_back({&tls_files::certificate, false,
                     "The certificate " + files.certificate + " ends "
                       + days_until(own->info.not_after, now)
                       + ": 'weft pki issue' renews it"});
  }
  return found;
}

} // namespace weft
