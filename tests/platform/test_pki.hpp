// An authority in a temporary folder, for tests of what needs certificates.
#pragma once

#include "platform/certificates.hpp"
#include "platform/clock.hpp"
#include "platform/files.hpp"
#include "platform/tls.hpp"
#include "tests/platform/support.hpp"

#include <map>
#include <string>
#include <vector>

namespace weft::test {

class test_pki {
public:
  explicit test_pki(const std::string& name = "test authority")
    : authority_(make(name)) {
    put("ca.pem", authority_.certificate());
    write_revocations();
  }

  /// An hour around now.
  static validity now_and_then() {
    return {wall_now() - std::chrono::hours{1},
            wall_now() + std::chrono::hours{1}};
  }
  /// A period that is over.
  static validity long_ago() {
    return {wall_now() - std::chrono::hours{3},
            wall_now() - std::chrono::hours{2}};
  }

  /// Makes, or renews, NAME.pem and NAME.key.  Nodes are at `NAME`,
  /// `localhost`, 127.0.0.1 and ::1.
  tls_files issue(const std::string& name, control_role role,
                  const validity& valid = now_and_then()) {
    certificate_request request{name, role, {}, valid};
    if (role == control_role::node)
      request.hosts = {"localhost", "127.0.0.1", "::1"};
    auto made = authority_.issue(request);
    if (!made)
      FAIL(made.error().message);
    put(name + ".pem", made->certificate);
    put(name + ".key", made->key.view(), 0600);
    serials_[name].push_back(made->info.serial);
    return files(name);
  }

  tls_files files(const std::string& name) const {
    return {path(name + ".pem"), path(name + ".key"), path("ca.pem"),
            path("crl.pem")};
  }

  /// Revokes all that was issued to `name`, now.
  void revoke(const std::string& name) {
    for (const auto& serial : serials_[name])
      revoked_.push_back({serial, wall_now()});
    write_revocations();
  }

  const certificate_authority& authority() const {
    return authority_;
  }

  std::string path(const std::string& file) const {
    return folder_.path() + '/' + file;
  }
  /// Puts a file of the folder in place.
  void put(const std::string& file, std::string_view text,
           unsigned mode = 0644) const {
    const auto written = replace_file(path(file), text, mode);
    if (!written)
      FAIL(written.error().message);
  }
  std::string text_of(const std::string& file) const {
    const auto text = load_file(path(file), file_privacy::any);
    if (!text)
      FAIL(text.error().message);
    return std::string{text->view()};
  }

private:
  static certificate_authority make(const std::string& name) {
    auto made = certificate_authority::make(
      name, {wall_now() - std::chrono::hours{24},
             wall_now() + std::chrono::hours{24}});
    if (!made)
      FAIL(made.error().message);
    return std::move(*made);
  }
  void write_revocations() const {
    const auto list
      = authority_.revoke(revoked_, wall_now() - std::chrono::hours{1});
    if (!list)
      FAIL(list.error().message);
    put("crl.pem", *list);
  }

  temporary_folder folder_;
  certificate_authority authority_;
  std::map<std::string, std::vector<std::string>> serials_;
  std::vector<revocation> revoked_;
};

} // namespace weft::test
