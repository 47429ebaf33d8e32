// What stands where etcd should and says what a test wants: stores believe
// nobody.  An HTTP server on loopback, in a thread of its own.
#pragma once

#include "platform/file_descriptor.hpp"
#include "platform/store/etcd_store.hpp"

#include <nlohmann/json.hpp>

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace weft::test {

class false_etcd {
public:
  /// The answer to what is asked for under a path; empty: it hangs up.
  using answers = std::function<std::string(const std::string& path,
                                            const nlohmann::json& asked)>;

  explicit false_etcd(answers given);
  false_etcd(const false_etcd&) = delete;
  false_etcd& operator=(const false_etcd&) = delete;
  ~false_etcd();

  etcd_settings settings() const;
  /// How often a watch was asked for.
  std::size_t watches() const {
    return watches_;
  }

  /// As etcd would answer, so that a store is opened: nothing is there but the
  /// store's id, and all is written.
  static std::string
  plain_answer(const std::string& path, const nlohmann::json& asked);
  /// A range with such keys, each with the value `x`.
  static std::string
  range(const std::vector<std::string>& keys, bool more = false);
  static std::string from_base64(const std::string& text);

private:
  void serve();
  void answer(const file_descriptor& client);

  answers answers_;
  file_descriptor listening_;
  std::atomic<std::size_t> watches_{0};
  std::thread thread_;
};

} // namespace weft::test
