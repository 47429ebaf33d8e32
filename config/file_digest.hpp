// Which text a configuration was read from, key files included.
#pragma once

#include "config/file_source.hpp"
#include "protocol/base/digest.hpp"

#include <string>

namespace weft {

/// Notes what is read through it.  One reading, or one more for another digest.
class file_digest {
public:
  /// Reads from `files`; this object must outlive what is returned.
  file_source watching(file_source files) {
    return
      [this, files = std::move(files)](const std::string& path, file_use use) {
        auto read = files(path, use);
        if (read) {
          digest_.add(std::to_string(read->text.size()) + ' ');
          digest_.add(read->text);
        }
        return read;
      };
  }
  /// Of all that was read so far, in its order.
  std::string text() const {
    return digest_.text();
  }

private:
  text_digest digest_;
};

} // namespace weft
