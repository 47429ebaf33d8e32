#include "platform/store/curl.hpp"

#include "platform/loaded_library.hpp"

#include <cerrno>
#include <stdexcept>

namespace weft {

namespace {

constexpr auto name = "libcurl.so.4";

result<curl_functions> find_functions() {
  const auto library = loaded_library::load(name);
  if (!library)
    return tl::unexpected(library.error());
  curl_functions all{};
  const bool found
    = library->find(all.global_init, "curl_global_init")
      && library->find(all.easy_init, "curl_easy_init")
      && library->find(all.easy_cleanup, "curl_easy_cleanup")
      && library->find(all.easy_reset, "curl_easy_reset")
      && library->find(all.easy_setopt, "curl_easy_setopt")
      && library->find(all.easy_getinfo, "curl_easy_getinfo")
      && library->find(all.easy_strerror, "curl_easy_strerror")
      && library->find(all.multi_init, "curl_multi_init")
      && library->find(all.multi_cleanup, "curl_multi_cleanup")
      && library->find(all.multi_add_handle, "curl_multi_add_handle")
      && library->find(all.multi_remove_handle, "curl_multi_remove_handle")
      && library->find(all.multi_perform, "curl_multi_perform")
      && library->find(all.multi_poll, "curl_multi_poll")
      && library->find(all.multi_wakeup, "curl_multi_wakeup")
      && library->find(all.multi_info_read, "curl_multi_info_read")
      && library->find(all.slist_append, "curl_slist_append")
      && library->find(all.slist_free_all, "curl_slist_free_all")
      && library->find(all.url, "curl_url")
      && library->find(all.url_cleanup, "curl_url_cleanup")
      && library->find(all.url_get, "curl_url_get")
      && library->find(all.url_set, "curl_url_set")
      && library->find(all.free, "curl_free");
  if (!found || all.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return tl::unexpected(
      system_error{ELIBACC, std::string{name} + " is not as it should be"});
  return all;
}

const result<curl_functions>& functions() {
  static const auto found = find_functions();
  return found;
}

} // namespace

result<void> load_curl() {
  return functions().map([](const curl_functions&) {});
}

const curl_functions& curl() {
  if (!functions())
    throw std::runtime_error(functions().error().message);
  return *functions();
}

} // namespace weft
