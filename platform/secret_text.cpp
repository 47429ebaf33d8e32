#include "platform/secret_text.hpp"

#include "protocol/base/wipe.hpp"

#include <algorithm>

namespace weft {

secret_text& secret_text::operator=(secret_text&& other) noexcept {
  if (this != &other) {
    shorten(0);
    text_ = std::move(other.text_);
  }
  return *this;
}

secret_text::~secret_text() {
  shorten(0);
}

void secret_text::shorten(std::size_t size) noexcept {
  const auto kept = std::min(size, text_.size());
  wipe_memory(text_.data() + kept, text_.size() - kept);
  text_.resize(kept);
}

} // namespace weft
