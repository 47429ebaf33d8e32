#include "platform/roots_file.hpp"

#include "platform/linux/ownership.hpp"

#include <cerrno>
#include <filesystem>

namespace weft {

namespace {

namespace fs = std::filesystem;

result<void> check_part(const fs::path& part, bool may_be_sticky) {
  struct stat info {};
  if (::stat(part.c_str(), &info) != 0)
    return tl::unexpected(
      make_system_error(errno, "Cannot look at " + part.string()));
  if (info.st_uid != 0)
    return tl::unexpected(
      system_error{EPERM, part.string() + " is not root's; run: chown root "
                            + part.string()});
  const bool is_sticky = (info.st_mode & S_ISVTX) != 0;
  if (is_writable_for_others(info) && !(may_be_sticky && is_sticky))
    return tl::unexpected(
      system_error{EPERM, "others than root can write to " + part.string()
                            + "; run: chmod go-w " + part.string()});
  return {};
}

/// The folder of a file, and those above it.
result<void> check_folders(const fs::path& file) {
  auto folder = file.parent_path();
  auto fine = check_part(folder, false);
  while (fine && folder.has_relative_path()) {
    folder = folder.parent_path();
    fine = check_part(folder, true);
  }
  return fine;
}

} // namespace

result<void> check_roots_file(const std::string& path) {
  // Each name that leads there, from link to link.
  constexpr int most_links = 40; // as the kernel has it
  auto name = fs::absolute(path).lexically_normal();
  for (int i = 0; i < most_links; ++i) {
    if (auto fine = check_folders(name); !fine)
      return fine;
    std::error_code failed;
    const auto next = fs::read_symlink(name, failed);
    if (failed) // it is the file itself, or in folders that are links
      break;
    name = (name.parent_path() / next).lexically_normal();
  }
  std::error_code failed;
  const auto real = fs::canonical(path, failed);
  if (failed)
    return tl::unexpected(
      make_system_error(failed.value(), "Cannot look at " + path));
  if (auto fine = check_part(real, false); !fine)
    return fine;
  return check_folders(real);
}

} // namespace weft
