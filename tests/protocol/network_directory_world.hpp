// A directory with a store in memory and an issuer, for tests: its steps are
// carried out at once, unless a test wants to see them.
#pragma once

#include "protocol/network/directory.hpp"
#include "protocol/network/renewal.hpp"
#include "tests/protocol/network_world.hpp"
#include "tests/sim/memory_store.hpp"

#include <algorithm>

namespace weft::test {

/// In the place of X.509: certificates by their bytes.
struct known_certificates {
  std::map<byte_vector, verified_certificate> members;
  std::map<byte_vector, verified_issuer> issuers;

  item_judge judge() {
    item_judge judge;
    judge.issuer = [this](const_byte_span der) -> accepted<verified_issuer> {
      const auto found = issuers.find({der.begin(), der.end()});
      if (found == issuers.end())
        return refuse(refusal::bad_signature, "not signed by the root");
      return found->second;
    };
    judge.member = [this](const_byte_span der,
                          const_byte_span) -> accepted<verified_certificate> {
      const auto found = members.find({der.begin(), der.end()});
      if (found == members.end())
        return refuse(refusal::bad_signature, "not signed by the issuer");
      return found->second;
    };
    return judge;
  }
};

/// One member's request, signed with another's key or its own.
inline byte_vector renewal_of(std::uint64_t asks, std::uint64_t signs) {
  const auto self = some_member(asks);
  return make_renewal({some_root().network, self.id, 1, self.key, {}},
                      signed_network::member_seed(signs));
}

struct directory_world {
  signed_network network;
  known_certificates certificates;
  memory_store store;
  deterministic_random random;
  instant at{time_point{std::chrono::hours(1)}, wall_time{noon}};
  directory core;

  // What its steps were.
  std::map<directory::connection, std::vector<directory_message>> told;
  std::map<directory::connection, refused> ended;
  std::vector<directory::change_entries> changes;
  std::vector<directory::ask_for_items> asked_items;
  std::vector<directory::ask_for_member> asked;
  std::size_t began_recovering = 0;
  std::vector<std::string> found_twice;
  std::size_t new_ids = 0;
  store_revision watched = 0;

  // What the store does.
  std::optional<store_error> failure; ///< of changes
  bool makes_it = false;              ///< although it fails
  bool hangs = false;                 ///< its changes, which the test answers
  bool tells = true;                  ///< its watch
  bool fails_to_list = false;

  explicit directory_world(std::string issuer = "first")
    : core({some_root(), std::move(issuer)}, certificates.judge(), random) {
    store.id[0] = std::byte{1};
    certificates.issuers.emplace(issuer_bytes(), network.issuer);
  }

  static byte_vector issuer_bytes() {
    return byte_vector(10, std::byte{7});
  }
  /// A certificate of the member of that number.
  byte_vector
  bytes_of_member(std::uint64_t number, std::uint64_t generation = 1) {
    auto certificate = network.certificate(number);
    certificate.contents.generation = generation;
    byte_vector bytes(20, std::byte(number));
    bytes[1] = std::byte(generation);
    certificates.members.insert_or_assign(bytes, certificate);
    return bytes;
  }
  network_item
  certificate_item(std::uint64_t number, std::uint64_t generation = 1) {
    return {item_key(item_kind::certificate, some_member(number).id),
            bytes_of_member(number, generation)};
  }
  network_item record_item(std::uint64_t number, record_order order) const {
    return {item_key(item_kind::record, some_member(number).id),
            network.record(number, order, "192.0.2.1:1").bytes()};
  }
  network_item
  list_item(std::uint64_t number, const std::set<member_id>& removed) const {
    return {item_key(item_kind::list, network.issuer.contents.name),
            write_list_item(network.list(number, removed))};
  }
  network_item issuer_item() const {
    return {item_key(item_kind::issuer, network.issuer.contents.name),
            issuer_bytes()};
  }

  /// Into the store, past this directory.
  void put(const network_item& item) {
    std::string value;
    for (const auto byte : item.content)
      value += static_cast<char>(std::to_integer<unsigned char>(byte));
    put(store_key_of(item.key), value);
  }
  void put(const std::string& key, std::optional<std::string> value) {
    store_change change{{}, {}, {{key, std::move(value)}}};
    random.fill(change.request);
    store.change(change);
  }

  void open() {
    put(issuer_item());
    core.opened(store.id, at);
    settle();
  }
  void pass(duration span) {
    at.now += span;
    at.wall += span;
    core.on_time(at);
    settle();
  }
  /// A member that has said hello and compared.
  void join(directory::connection number, std::uint64_t member) {
    core.connected(number, network.certificate(member), at);
    say(number, member_hello{});
    say(number, compare_items{});
  }
  void say(directory::connection from, const member_message& message) {
    const auto frame = encode_frame(message);
    core.received(from, const_byte_span(frame).subspan(4), at);
    settle();
  }
  /// The last message of a kind; nullptr: there was none.
  template <class Message>
  const Message* last(directory::connection to) {
    const Message* found = nullptr;
    for (const auto& each : told[to]) {
      if (const auto* message = std::get_if<Message>(&each))
        found = message;
    }
    return found;
  }

  /// Carries out what there is to be done.
  void settle() {
    for (;;) {
      const auto steps = core.take_steps();
      for (const auto& each : steps)
        std::visit([this](const auto& what) { carry_out(what); }, each);
      if (steps.empty() && !tell())
        return;
    }
  }
  bool tell() {
    if (watched == 0 || !tells || store.revision() < watched)
      return false;
    const auto news = store.since(watched);
    watched = news.through + 1;
    core.told(news, at);
    return true;
  }

private:
  void carry_out(const directory::list_entries& what) {
    if (fails_to_list)
      core.listed(
        tl::unexpected(store_error{store_failure::unavailable, "away"}), at);
    else
      core.listed(store.list(what.range), at);
  }
  void carry_out(const directory::watch_entries& what) {
    watched = what.from;
  }
  void carry_out(const directory::change_entries& what) {
    changes.push_back(what);
    if (mistake_in(what.change))
      throw std::logic_error("a change that no store takes");
    if (hangs)
      return;
    if (!failure)
      return core.changed(store.change(what.change), at);
    if (makes_it)
      store.change(what.change);
    core.changed(tl::unexpected(*failure), at);
  }
  void carry_out(const directory::renew_store_id&) {
    ++new_ids;
    random.fill(store.id);
    core.renamed(store.id, at);
  }
  void carry_out(const directory::keep_presence&) {
  }
  void carry_out(const directory::ask_for_items& what) {
    asked_items.push_back(what);
  }
  void carry_out(const directory::ask_for_member& what) {
    asked.push_back(what);
  }
  void carry_out(const directory::send_frame& what) {
    told[what.to].push_back(
      read_directory_message(const_byte_span(*what.frame).subspan(4))
        .value()
        .value());
    core.queued(what.to, 0, at);
  }
  void carry_out(const directory::end_connection& what) {
    ended.emplace(what.which, what.why);
  }
  void carry_out(const directory::began_recovering&) {
    ++began_recovering;
  }
  void carry_out(const directory::found_twice& what) {
    found_twice.push_back(what.name);
  }
};

} // namespace weft::test
