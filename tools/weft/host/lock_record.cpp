#include "tools/weft/host/lock_record.hpp"

#include "actors/overlay/config_files.hpp"
#include "config/yaml.hpp"
#include "platform/files.hpp"

#include <filesystem>
#include <fstream>

namespace weft {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view ending = ".yaml";

std::string first_line(const std::string& path) {
  return "# the lock of " + path;
}

/// Others are what an interrupted keep() has left.
bool is_record(const fs::path& entry) {
  return entry.extension() == ending;
}

/// Whether a record is of that file.
bool is_of(const fs::path& record, const std::string& path) {
  std::ifstream in(record);
  std::string line;
  return std::getline(in, line) && line == first_line(path);
}

} // namespace

template <class Meant>
result<void> lock_records::forget_if(Meant&& is_meant) {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder_, failed)) {
    if (!is_record(entry.path()) || !is_meant(entry.path()))
      continue;
    std::error_code stays;
    fs::remove(entry.path(), stays);
    if (stays)
      return tl::unexpected(make_system_error(
        stays.value(), "Cannot remove " + entry.path().string()));
  }
  fs::remove(folder_, failed); // if nothing is left in it
  return {};
}

result<void>
lock_records::keep(const std::string& path, const interface_config& interface) {
  node_config kept;
  kept.interface.name = interface.name;
  kept.interface.listen = interface.listen;
  kept.interface.fwmark = interface.fwmark;
  kept.interface.dns = interface.dns;
  kept.interface.kill_switch = interface.kill_switch;
  kept.interface.kill_switch_allow = interface.kill_switch_allow;
  kept.interface.keep_inbound = interface.keep_inbound;
  if (auto done = make_private_folder(folder_); !done)
    return done;
  if (auto done
      = replace_file(folder_ + '/' + interface.name + std::string{ending},
                     first_line(path) + '\n' + format_yaml(kept), 0600);
      !done)
    return done;
  // The interface had another name before.
  return forget_if([&](const fs::path& record) {
    return record.stem() != interface.name && is_of(record, path);
  });
}

std::optional<interface_config>
lock_records::find(const std::string& path) const {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder_, failed)) {
    if (!is_record(entry.path()) || !is_of(entry.path(), path))
      continue;
    if (const auto kept
        = load_yaml(entry.path().string(), private_key_rule::optional))
      return kept->interface;
  }
  return std::nullopt;
}

result<void> lock_records::forget(const std::string& interface) {
  return forget_if(
    [&](const fs::path& record) { return record.stem() == interface; });
}

result<void> lock_records::forget_all() {
  return forget_if([](const fs::path&) { return true; });
}

result<void> lock_records::forget_file(const std::string& path) {
  return forget_if([&](const fs::path& record) { return is_of(record, path); });
}

} // namespace weft
