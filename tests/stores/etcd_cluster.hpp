// Three real nodes of etcd on loopback ports, each a process of the test's own
// with its data in a folder of the test's own; for root in a network namespace,
// which is then the calling thread's as long as they are.
#pragma once

#include "platform/store/etcd_store.hpp"
#include "tests/stores/support.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::test {

/// Whether there is an etcd on this host.  Warns if not.  Tests that need it
/// begin with `if (!have_etcd()) return;`
bool have_etcd();

struct etcd_options {
  std::string host = "127.0.0.1"; ///< where the nodes listen
  std::string certificate;        ///< PEM files; empty: plain HTTP
  std::string key;
  std::string authority;
  std::string last_node_folder; ///< empty: with the others
  std::vector<std::string> arguments;
};

class etcd_cluster {
public:
  static constexpr std::size_t size = 3;

  explicit etcd_cluster(etcd_options options = {});
  etcd_cluster(const etcd_cluster&) = delete;
  etcd_cluster& operator=(const etcd_cluster&) = delete;
  ~etcd_cluster();

  void start(std::size_t node);
  /// SIGKILL, and waits for its end.
  void kill(std::size_t node);
  /// SIGSTOP: it takes connections and says nothing.
  void halt(std::size_t node) const;
  /// And SIGCONT.
  void resume(std::size_t node) const;
  bool is_running(std::size_t node);

  std::string endpoint(std::size_t node) const;
  std::string data(std::size_t node) const;
  /// Of all nodes, for a store of its own network.
  etcd_settings settings(const std::string& writer = "alpha") const;
  /// A store by these settings, once the cluster answers.
  std::unique_ptr<directory_store>
  open(const std::string& writer = "alpha") const;
  static std::unique_ptr<directory_store> open(etcd_settings settings);

  /// Posts to a node; the answer.
  std::string
  post(std::size_t node, const std::string& path, const std::string& body,
       const std::string& token = {}) const;

private:
  struct ports {
    std::uint16_t clients = 0;
    std::uint16_t peers = 0;
  };

  std::string cluster() const;

  etcd_options options_;
  std::optional<network_namespace> network_; ///< on loopback, if it can be
  temporary_folder folder_;
  std::array<ports, size> ports_{};
  std::array<int, size> processes_{}; ///< 0: none
};

} // namespace weft::test
