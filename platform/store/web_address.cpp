#include "platform/store/web_address.hpp"

#include "platform/store/curl.hpp"
#include "protocol/base/text.hpp"
#include "protocol/base/wipe.hpp"

#include <cstring>
#include <memory>

namespace weft {

namespace {

struct url_end {
  void operator()(CURLU* url) const {
    curl().url_cleanup(url);
  }
};

/// Of a URL; nothing: it has no such part.
std::optional<std::string> part_of(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl().url_get(url, which, &text, 0) != CURLUE_OK || text == nullptr)
    return std::nullopt;
  std::string part{text};
  wipe_memory(text, std::strlen(text)); // it may be a password
  curl().free(text);
  return part;
}

} // namespace

std::optional<web_address> read_address(const std::string& text) {
  const std::unique_ptr<CURLU, url_end> url{curl().url()};
  if (!url
      || curl().url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK)
    return std::nullopt;
  const auto has = [&](CURLUPart which) {
    auto part = part_of(url.get(), which);
    const text_wiper wiper(part ? *part : part.emplace());
    return !part->empty();
  };
  const auto scheme = part_of(url.get(), CURLUPART_SCHEME);
  const auto host = part_of(url.get(), CURLUPART_HOST);
  if (!host || host->empty() || (scheme != "http" && scheme != "https"))
    return std::nullopt;
  web_address parts;
  parts.secure = scheme == "https";
  parts.host = host->front() == '[' && host->back() == ']'
                 ? host->substr(1, host->size() - 2)
                 : *host;
  parts.has_port = has(CURLUPART_PORT);
  parts.has_user
    = has(CURLUPART_USER) || has(CURLUPART_PASSWORD) || has(CURLUPART_OPTIONS);
  const auto begin = text.find("://");
  parts.has_more = begin == std::string::npos
                   || text.find_first_of("/?#", begin + 3) != std::string::npos
                   || has(CURLUPART_ZONEID);
  return parts;
}

std::string without_user(const std::string& text) {
  const auto at = text.rfind('@');
  return printable(at == std::string::npos ? text
                                           : "...@" + text.substr(at + 1));
}

} // namespace weft
