#include "platform/store/curl.hpp"

#include "platform/loaded_library.hpp"

#include <cerrno>
#include <stdexcept>

namespace weft {

namespace {

result<curl_functions> find_functions() {
  auto library = loaded_library::load("libcurl.so.4", "libcurl4");
  if (!library)
    return tl::unexpected(library.error());
  curl_functions all{};
  library->find(all.global_init, "curl_global_init")
    .find(all.easy_init, "curl_easy_init")
    .find(all.easy_cleanup, "curl_easy_cleanup")
    .find(all.easy_reset, "curl_easy_reset")
    .find(all.easy_setopt, "curl_easy_setopt")
    .find(all.easy_getinfo, "curl_easy_getinfo")
    .find(all.easy_strerror, "curl_easy_strerror")
    .find(all.multi_init, "curl_multi_init")
    .find(all.multi_cleanup, "curl_multi_cleanup")
    .find(all.multi_add_handle, "curl_multi_add_handle")
    .find(all.multi_remove_handle, "curl_multi_remove_handle")
    .find(all.multi_perform, "curl_multi_perform")
    .find(all.multi_poll, "curl_multi_poll")
    .find(all.multi_wakeup, "curl_multi_wakeup")
    .find(all.multi_info_read, "curl_multi_info_read")
    .find(all.slist_append, "curl_slist_append")
    .find(all.slist_free_all, "curl_slist_free_all")
    .find(all.url, "curl_url")
    .find(all.url_cleanup, "curl_url_cleanup")
    .find(all.url_get, "curl_url_get")
    .find(all.url_set, "curl_url_set")
    .find(all.free, "curl_free");
  if (const auto done = library->check(); !done)
    return tl::unexpected(done.error());
  if (const auto done = all.global_init(CURL_GLOBAL_DEFAULT); done != CURLE_OK)
    return tl::unexpected(
      system_error{ELIBACC, std::string{"Cannot make libcurl ready: "}
                              + all.easy_strerror(done)});
  return all;
}

} // namespace

const curl_functions& curl() {
  // If this throws, whoever asks next tries again.
  static const curl_functions all = [] {
    auto found = find_functions();
    if (!found)
      throw std::runtime_error(found.error().message);
    return *found;
  }();
  return all;
}

result<void> load_curl() {
  try {
    std::ignore = curl();
    return {};
  } catch (const std::runtime_error& why) {
    return tl::unexpected(system_error{ELIBACC, why.what()});
  }
}

} // namespace weft
