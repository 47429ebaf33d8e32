#include "config/network_checks.hpp"

#include "config/strings.hpp"
#include "config/values.hpp"
#include "protocol/base/text.hpp"
#include "protocol/network/ranges.hpp"
#include "protocol/network/record.hpp"
#include "protocol/network/token.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weft {

namespace {

using needed_key = std::pair<std::string_view, const std::string*>;

/// Addresses of etcd's nodes that one configuration has.
constexpr std::size_t most_etcd_nodes = 16;

void check_needed(std::span<const needed_key> keys, std::string_view made_by,
                  const network_complaint& complain) {
  for (const auto& [key, value] : keys) {
    if (value->empty())
      complain(key, "the key is missing; the name of a file is expected ("
                      + std::string{made_by} + " writes it)");
  }
}

void check_directories(const network_config& network,
                       const network_complaint& complain) {
  constexpr std::string_view key = "network.directories";
  if (network.directories.empty())
    complain(key, "the key is missing; the addresses of the network's "
                  "directories are expected, such as "
                  "[alpha.example.net:51821]");
  if (network.directories.size() > most_directories)
    complain(key, "there are " + std::to_string(network.directories.size())
                    + "; at most " + std::to_string(most_directories)
                    + " are expected");
  for (const auto& each : network.directories) {
    if (const auto read = parse_directory_address(to_string(each)); !read)
      complain(key, read.error().what);
  }
}

void check_member(const network_config& network,
                  const network_complaint& complain) {
  if (!is_network_word(network.name))
    complain("network.name",
             network.name.empty()
               ? "the key is missing; the name of the network is expected"
               : strings::quote(network.name)
                   + " is no name of a network; 1-32 of a-z, 0-9 and - are "
                     "expected");
  const std::array<needed_key, 3> needed{
    {{"network.root", &network.root},
     {"network.certificate", &network.certificate},
     {"network.key", &network.key}}};
  check_needed(needed, "'weft network join'", complain);
  check_directories(network, complain);
  if (network.endpoints.size() > most_record_endpoints)
    complain("network.endpoints",
             "there are " + std::to_string(network.endpoints.size())
               + "; at most " + std::to_string(most_record_endpoints)
               + " are expected");
  for (const auto& each : network.endpoints) {
    if (auto reason = check_own_endpoint(each))
      complain("network.endpoints", std::move(*reason));
  }
  if (const auto reason = mistake_in(network.accept_prefixes, "prefixes"))
    complain("network.accept_prefixes", *reason);
}

bool is_etcd_address(const std::string& text) {
  constexpr std::size_t longest = 512;
  const auto scheme = text.starts_with("https://")  ? 8U
                      : text.starts_with("http://") ? 7U
                                                    : 0U;
  return scheme != 0 && text.size() > scheme && text.size() <= longest
         && text.find('@') == std::string::npos
         && text.find(' ') == std::string::npos
         && !has_control_characters(text);
}

void check_etcd(const store_config& store, const network_complaint& complain) {
  if (store.etcd.size() > most_etcd_nodes)
    complain("directory.store.etcd",
             "there are " + std::to_string(store.etcd.size()) + "; at most "
               + std::to_string(most_etcd_nodes) + " are expected");
  for (const auto& each : store.etcd) {
    if (!is_etcd_address(each)) // which may hold a password: it is not shown
      complain("directory.store.etcd",
               "there is no URL of etcd; one such as "
               "https://etcd1.example.net:2379 is expected, without a user "
               "('user' and 'password_file' are keys of their own)");
  }
  if (store.user.empty() != store.password_file.empty())
    complain(store.user.empty() ? "directory.store.user"
                                : "directory.store.password_file",
             "the key is missing; a user and the file of the password are "
             "expected, or neither");
}

void check_store(const store_config& store, const network_complaint& complain) {
  if (store.file.empty() && store.etcd.empty())
    return complain("directory.store",
                    "there is no store; {file: NAME} or {etcd: [URL, ...]} is "
                    "expected");
  if (!store.file.empty() && !store.etcd.empty())
    return complain("directory.store",
                    "there are two stores; file or etcd is expected");
  if (store.etcd.empty()) {
    if (!store.user.empty() || !store.password_file.empty()
        || !store.authority.empty())
      complain("directory.store",
               "user, password_file and authority are etcd's; a store with "
               "'file' has none of them");
    return;
  }
  check_etcd(store, complain);
}

void check_directory(const node_config& config,
                     const network_complaint& complain) {
  const auto& directory = config.directory;
  if (!has_network(config))
    complain("directory", "a directory is a member of its network as well; the "
                          "section 'network' is expected beside it");
  if (!directory.listen)
    complain("directory.listen", "the key is missing; ADDRESS:PORT is "
                                 "expected, such as \"[::]:51821\"");
  else if (auto read = read_directory_listen(to_string(*directory.listen));
           !read)
    complain("directory.listen", std::move(read.error()));
  const std::array<needed_key, 2> needed{
    {{"directory.certificate", &directory.certificate},
     {"directory.key", &directory.key}}};
  check_needed(needed, "'weft network init'", complain);
  check_store(directory.store, complain);
  if (directory.issuer.empty())
    return;
  if (auto reason = check_socket_path(directory.issuer))
    complain("directory.issuer", std::move(*reason));
}

} // namespace

std::optional<std::string> check_own_endpoint(const endpoint& where) {
  record_content alone;
  alone.endpoints.push_back({where, endpoint_source::file});
  if (!find_mistake(alone))
    return std::nullopt;
  return to_string(where)
         + " is nowhere that others could send to; ADDRESS:PORT of this node "
           "is expected, as others reach it";
}

bool has_network(const node_config& config) {
  return config.network != network_config{};
}

bool has_directory(const node_config& config) {
  return config.directory != directory_config{};
}

std::vector<directory_address> directories_of(const node_config& config) {
  std::vector<directory_address> all;
  if (const auto& own = config.directory.listen) {
    // "[::]" takes what comes by IPv4 as well.
    const auto host = own->address.is_unspecified() ? std::string{"127.0.0.1"}
                                                    : to_string(own->address);
    all.push_back({host, own->port});
  }
  const auto& others = config.network.directories;
  all.insert(all.end(), others.begin(), others.end());
  return all;
}

void check_network(const node_config& config,
                   const network_complaint& complain) {
  if (has_network(config))
    check_member(config.network, complain);
  if (has_directory(config))
    check_directory(config, complain);
}

} // namespace weft
