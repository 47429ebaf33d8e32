// What the tests of stores share: one of each kind to try the same on, changes
// in a line, and clocks and random numbers to give them.
#pragma once

#include "platform/clock.hpp"
#include "platform/random.hpp"
#include "protocol/network/store.hpp"
#include "tests/catch.hpp"
#include "tests/must.hpp"
#include "tests/platform/support.hpp"

#include <chrono>
#include <functional>
#include <initializer_list>
#include <string>
#include <utility>

namespace weft::test {

/// The host's, for stores that are opened in tests.
host_clock& real_clock();
system_random& real_random();

request_id any_request();

/// A change of one entry; `changed` is what it is conditional on.
store_change
put(const std::string& key, const std::string& value, store_revision changed);
store_change remove(const std::string& key, store_revision changed);

/// Kills a process after `time` that runs `action` with a pipe to write to.
/// Returns all that it has written.
std::string output_until_killed(std::chrono::microseconds time,
                                const std::function<int(int output)>& action);

/// Makes a change that must be made, and returns its revision.
store_revision make(directory_store& store, const store_change& change);

/// What a watch tells until there are `count` events; a minute at most.
std::vector<store_event> events_of(store_watch& watch, std::size_t count);

/// `key=value` of each entry of a list in pages of `most`, at one revision.
std::vector<std::string>
listed(directory_store& store, const std::string& prefix, std::size_t most);

/// Runs a trial on an empty store in SQLite, then on one in etcd (three
/// nodes), if there is one on this host.
void with_each_store(const std::function<void(directory_store&)>& trial);

} // namespace weft::test
