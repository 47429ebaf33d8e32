#include "tools/weft/network/service.hpp"

#include "platform/program.hpp"

#include <cerrno>
#include <filesystem>

namespace weft {

namespace {

using namespace std::chrono_literals;

/// A unit that is started waits until it is ready.
constexpr auto patience = 180s;

} // namespace

bool systemd_is_there() {
  std::error_code failed;
  return std::filesystem::is_directory("/run/systemd/system", failed);
}

result<void> run_systemctl(const std::vector<std::string>& words) {
  program_call call;
  for (const auto* path : {"/usr/bin/systemctl", "/bin/systemctl"}) {
    std::error_code failed;
    if (std::filesystem::exists(path, failed)) {
      call.words.emplace_back(path);
      break;
    }
  }
  if (call.words.empty())
    return tl::unexpected(make_system_error(ENOENT, "Cannot run systemctl"));
  call.words.insert(call.words.end(), words.begin(), words.end());
  call.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  call.patience = patience;
  return run_program(call);
}

std::string node_unit(const std::string& node) {
  return "weft@" + node;
}

std::string issuer_unit(const std::string& network) {
  return "weft-issuer@" + network;
}

} // namespace weft
