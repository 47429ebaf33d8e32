#include "platform/name_servers.hpp"

#include "protocol/base/ip.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace weft {

namespace {

constexpr auto host_servers = "/etc/resolv.conf";

/// interface-order(5): records of tunnels come before those of other links.
constexpr auto tunnels_first = "/etc/resolvconf/interface-order";

/// systemd-resolved listens there (systemd-resolved.service(8)).
bool is_stub(const std::string& server) {
  return server == "127.0.0.53" || server == "127.0.0.54";
}

bool names_stub(const std::vector<std::string>& servers) {
  return !servers.empty() && std::ranges::all_of(servers, is_stub);
}

bool is_program_of_host(const std::string& server) {
  constexpr std::array loopback{"127.0.0.0/8", "::1/128"};
  const auto address = parse_ip_address(server);
  return address && std::ranges::any_of(loopback, [&](const char* network) {
           return parse_ip_prefix(network)->contains(*address);
         });
}

/// With its path, if it is where the system's programs are; else empty.
std::string find_program(const std::string& name) {
  constexpr std::array folders{"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"};
  for (const auto* folder : folders) {
    auto path = folder + name;
    if (::access(path.c_str(), X_OK) == 0)
      return path;
  }
  return {};
}

bool is_resolvectl(const std::string& program) {
  std::error_code failed;
  const auto real = std::filesystem::canonical(program, failed);
  return !failed && real.filename() == "resolvectl";
}

} // namespace

std::vector<std::string> read_name_servers(const std::string& file) {
  std::vector<std::string> servers;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string key;
    std::string server;
    if (words >> key >> server && key == "nameserver")
      servers.push_back(std::move(server));
  }
  return servers;
}

std::vector<std::string> find_name_servers(const name_server_files& files) {
  const auto listed = read_name_servers(files.host);
  auto servers = listed;
  std::erase_if(servers, is_program_of_host);
  for (const auto& file : files.behind) {
    if (!servers.empty() || listed.empty())
      break;
    servers = read_name_servers(file);
    std::erase_if(servers, is_program_of_host);
  }
  return servers.empty() ? listed : servers;
}

std::optional<std::vector<std::string>>
name_servers_in_force(const name_server_files& files) {
  auto servers = read_name_servers(files.host);
  if (names_stub(servers)) {
    const auto& asked = files.behind.front();
    if (::access(asked.c_str(), R_OK) != 0)
      return std::nullopt;
    return read_name_servers(asked);
  }
  if (are_programs_of_host(servers))
    return std::nullopt;
  return servers;
}

bool are_programs_of_host(const std::vector<std::string>& servers) {
  return !servers.empty() && std::ranges::all_of(servers, is_program_of_host);
}

std::string only_programs_of_host() {
  return "the only name server of this host is a program of its own, whose "
         "questions would go into the tunnel that waits for the answer: give "
         "the endpoint's address, put its name into /etc/hosts, or name a "
         "server of the network in /etc/resolv.conf";
}

dns_manager find_dns_manager() {
  using kind = dns_manager::kind;
  if (names_stub(read_name_servers(host_servers))) {
    if (auto program = find_program("resolvectl"); !program.empty())
      return {kind::resolved, std::move(program), {}};
  }
  if (auto program = find_program("resolvconf");
      !program.empty() && !is_resolvectl(program))
    return {kind::resolvconf, std::move(program),
            ::access(tunnels_first, F_OK) == 0 ? "tun." : ""};
  return {};
}

std::string no_dns_manager() {
  return "this host has nothing to set DNS servers with: /etc/resolv.conf does "
         "not name systemd-resolved (nameserver 127.0.0.53), and there is no "
         "resolvconf; install systemd-resolved or openresolv, or take dns out";
}

} // namespace weft
