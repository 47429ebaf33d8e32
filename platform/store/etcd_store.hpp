// A directory's store in etcd (3.4 or newer), through the JSON gateway of its
// version 3 API: several directories share it, none of them special.
//
// Below the prefix: `id`, the store's id with the cluster that it was given in;
// `e/KEY`, the entries; `w/NAME`, the id of the last change of each writer;
// `p/NAME`, who is there, under a lease of its own.
//
// A change is a transaction that is also conditional on the writer's last
// change. So whatever became of a request, sending it again makes it once at
// most, and the answer tells which; and of two processes under one name only
// the later one can change anything.
#pragma once

#include "platform/secret_text.hpp"
#include "protocol/base/random.hpp"
#include "protocol/base/time.hpp"
#include "protocol/network/store.hpp"

#include <memory>
#include <string>
#include <vector>

namespace weft {

struct etcd_settings {
  /// `https://HOST:PORT` of each node; `http://` only on this host itself.
  std::vector<std::string> endpoints;
  /// PEM file with the authority of the nodes' certificates; no other counts.
  std::string authority;
  std::string user; ///< empty: etcd asks for none
  secret_text password;
  std::string prefix; ///< of all keys: `weft/NETWORK/`
  std::string writer; ///< the directory's name
  /// A call that had no answer by then ends.
  std::chrono::milliseconds patience = std::chrono::seconds{10};
};

/// A path of a watch on which the store's own heartbeat (keep_present) was not
/// seen for so long is given up, and another node is watched.
inline constexpr std::chrono::seconds etcd_silence{15};

/// Claims the writer's name: a process that had it before can change nothing
/// any more.  Clock and randomness must outlive the store; watches draw from
/// them in their own threads.  SIGPIPE must be ignored or blocked.
store_result<std::unique_ptr<directory_store>>
open_etcd_store(etcd_settings settings, const time_source& clock,
                random_source& random);

} // namespace weft
