#include "tools/weft/secret_output.hpp"

#include "platform/file_descriptor.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <ostream>

namespace weft {

bool standard_output_is_public() {
  namespace fs = std::filesystem;
  std::error_code failure;
  const auto status = fs::status("/dev/stdout", failure);
  return !failure && status.type() == fs::file_type::regular
         && (status.permissions() & fs::perms::others_all) != fs::perms::none;
}

void warn_if_public(const streams& io) {
  if (io.out_is_public)
    io.err << "weft: warning: keys go to a file that everybody may access: set "
              "the umask to 077 (umask 077) and try again\n";
}

result<void> write_secret_file(const std::string& path, std::string_view text) {
  const file_descriptor file(
    ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) {
    const auto code = errno;
    return tl::unexpected(make_system_error(
      code, "cannot make " + path,
      code == EEXIST ? "Remove it first, or choose another name" : ""));
  }
  while (!text.empty()) {
    const auto written = ::write(file.get(), text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      const auto code = errno;
      ::unlink(path.c_str());
      return tl::unexpected(make_system_error(code, "cannot write " + path));
    }
  }
  return {};
}

} // namespace weft
