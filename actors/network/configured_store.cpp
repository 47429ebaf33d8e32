#include "actors/network/configured_store.hpp"

#include "platform/files.hpp"
#include "platform/store/curl.hpp"
#include "platform/store/etcd_store.hpp"
#include "platform/store/sqlite_store.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

/// So that the end of the program waits no longer for an etcd that is away.
constexpr std::chrono::seconds etcd_patience{5};

store_result<usable_store>
open_file(const std::string& path, const std::string& writer,
          const loop_sources& from) {
  sqlite_settings settings;
  const auto slash = path.rfind('/');
  settings.folder = slash == std::string::npos ? "." : path.substr(0, slash);
  settings.file = slash == std::string::npos ? path : path.substr(slash + 1);
  settings.writer = writer;
  auto opened = sqlite_store::open(settings, *from.clock, *from.random);
  if (!opened)
    return tl::unexpected(std::move(opened.error()));
  usable_store result;
  auto* file = opened->get();
  result.back_up = [file](const std::string& to) { return file->back_up(to); };
  result.store = std::move(*opened);
  return result;
}

/// The first line of the file; nothing is asked for without one.
store_result<secret_text> load_password(const std::string& path) {
  if (path.empty())
    return secret_text{};
  const auto text = load_file(path, file_privacy::owner_only);
  if (!text)
    return tl::unexpected(
      store_error{store_failure::refused, text.error().message});
  const auto all = text->view();
  return secret_text{all.substr(0, std::min(all.size(), all.find('\n')))};
}

store_result<usable_store>
open_etcd(const store_config& config, const network_id& network,
          const std::string& writer, const loop_sources& from) {
  auto password = load_password(config.password_file);
  if (!password)
    return tl::unexpected(std::move(password.error()));
  etcd_settings settings;
  settings.endpoints = config.etcd;
  settings.authority = config.authority;
  settings.user = config.user;
  settings.password = std::move(*password);
  settings.prefix = "weft/" + to_string(network) + '/';
  settings.writer = writer;
  settings.patience = etcd_patience;
  auto opened = open_etcd_store(std::move(settings), *from.clock, *from.random);
  if (!opened)
    return tl::unexpected(std::move(opened.error()));
  return usable_store{std::move(*opened), {}};
}

} // namespace

result<void> load_store(const store_config& config) {
  return config.etcd.empty() ? result<void>{} : load_curl();
}

store_worker::opener
configured_store(const store_config& config, const network_id& network,
                 const std::string& writer, const loop_sources& from) {
  return [config, network, writer, from]() -> store_result<usable_store> {
    return config.file.empty() ? open_etcd(config, network, writer, from)
                               : open_file(config.file, writer, from);
  };
}

} // namespace weft
